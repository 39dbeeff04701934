//! A provider's process, and a client that speaks to it as the engine does.

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::{Child, Command},
    sync::oneshot,
    time::{sleep, timeout},
};
use tonic::transport::{Channel, Endpoint};

use crate::{
    MESSAGE_LIMIT,
    cloud::Cloud,
    engine::{Engine, lock},
    rpc::resource_provider_client::ResourceProviderClient,
};

/// A client of a provider.
pub type Client = ResourceProviderClient<Channel>;

/// How a process is started.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    pub program: PathBuf,
    pub arguments: Vec<String>,
    /// All of its environment.
    pub environment: Vec<(String, String)>,
    /// The folder it starts in.
    pub directory: Option<PathBuf>,
}

/// What all processes of a run have written.
#[derive(Default)]
pub struct Heard {
    /// Lines on stdout, but for the first of each process.
    pub stdout: Mutex<Vec<String>>,
    /// Lines on stderr.
    pub stderr: Mutex<Vec<String>>,
}

/// A process.
pub struct Process {
    child: Child,
    /// From its start to the first line on stdout.
    pub to_port: Duration,
    /// The first line on stdout, as it was written.
    pub first_line: String,
    stderr: Arc<Mutex<Vec<String>>>,
    stdin_is_open: bool,
}

impl Process {
    /// Starts it, and reads the first line it writes. An end without one is an error that holds stderr.
    pub async fn start(launch: &Launch, heard: &Arc<Heard>) -> Result<Self> {
        let mut command = Command::new(&launch.program);
        command
            .args(&launch.arguments)
            .env_clear()
            .envs(launch.environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(directory) = &launch.directory {
            command.current_dir(directory);
        }
        let started = Instant::now();
        let mut child = command.spawn().with_context(|| format!("cannot start {}", launch.program.display()))?;
        let (own, all) = (Arc::<Mutex<Vec<String>>>::default(), heard.clone());
        let stderr = own.clone();
        listen(child.stderr.take(), move |line| {
            lock(&own).push(line.clone());
            lock(&all.stderr).push(line);
        });
        let (first, seen) = oneshot::channel();
        let (mut first, all) = (Some(first), heard.clone());
        listen(child.stdout.take(), move |line| match first.take() {
            // Nobody may wait for it any more.
            Some(first) => _ = first.send(line),
            None => lock(&all.stdout).push(line),
        });
        let Ok(line) = timeout(Duration::from_secs(30), seen).await else { bail!("nothing on stdout within 30 s") };
        let Ok(first_line) = line else {
            let status = child.wait().await?;
            bail!("{status} before a line on stdout; stderr: {}", lock(&stderr).join(" | "))
        };
        Ok(Self { child, to_port: started.elapsed(), first_line, stderr, stdin_is_open: true })
    }

    /// The port that its first line tells.
    pub fn port(&self) -> Result<u16> {
        self.first_line.trim().parse().with_context(|| format!("the first line on stdout is {:?}, no port", self.first_line))
    }

    /// Its process id; none once it has ended.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// What it has written to stderr.
    pub fn stderr(&self) -> String {
        lock(&self.stderr).join("\n")
    }

    /// Closes its stdin.
    pub fn close_stdin(&mut self) {
        self.stdin_is_open = false;
        drop(self.child.stdin.take());
    }

    /// Sends a signal, such as `INT`, as the engine does: to its process group.
    pub async fn signal(&self, name: &str) -> Result<()> {
        let Some(id) = self.child.id() else { return Ok(()) };
        let status = Command::new("kill").arg(format!("-{name}")).arg("--").arg(format!("-{id}")).status().await?;
        if !status.success() {
            bail!("cannot send SIG{name}: {status}");
        }
        Ok(())
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// How it ended and how long that took from now; none if it has not within `limit`.
    pub async fn ended(&mut self, limit: Duration) -> Result<Option<(ExitStatus, Duration)>> {
        let started = Instant::now();
        // `wait` would close stdin, which is a signal of its own to some.
        while started.elapsed() < limit {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some((status, started.elapsed())));
            }
            sleep(Duration::from_millis(5)).await;
        }
        Ok(None)
    }
}

fn listen(pipe: Option<impl AsyncRead + Unpin + Send + 'static>, mut hear: impl FnMut(String) + Send + 'static) {
    let Some(pipe) = pipe else { return };
    tokio::spawn(async move {
        let mut lines = BufReader::new(pipe).split(b'\n');
        while let Ok(Some(line)) = lines.next_segment().await {
            hear(String::from_utf8_lossy(&line).into_owned());
        }
    });
}

/// Connects to a provider on a port of this machine.
pub async fn connect(port: u16) -> Result<Client> {
    // Details of an error travel in headers, and are as long as a resource's state.
    let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}"))?.http2_max_header_list_size(16 << 20);
    let channel = timeout(Duration::from_secs(10), endpoint.connect()).await.context("no connection within 10 s")??;
    Ok(Client::new(channel).max_decoding_message_size(MESSAGE_LIMIT).max_encoding_message_size(MESSAGE_LIMIT))
}

/// A provider at work: its process, unless it was attached to, and all that it speaks with.
pub struct Provider {
    pub client: Client,
    pub process: Option<Process>,
    pub engine: Engine,
    /// None if the provider has no cloud.
    pub cloud: Option<Cloud>,
    pub port: u16,
}

impl Provider {
    /// How often it has called its cloud; none if it has no cloud.
    pub fn calls(&self) -> Option<usize> {
        self.cloud.as_ref().map(|it| it.requests().len())
    }
}

/// The folder that holds a program.
pub fn folder(program: &Path) -> String {
    program.parent().map(|it| it.display().to_string()).unwrap_or_default()
}
