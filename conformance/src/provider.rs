//! A provider's process, and a client that speaks to it as the engine does.

use std::{
    future::poll_fn,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use http_body_util::{BodyExt as _, Full};
use prost::bytes::{Buf as _, BufMut as _, Bytes};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::{Child, Command},
    sync::oneshot,
    time::{sleep, timeout},
};
use tonic::{
    Request, Status,
    body::Body,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::{
        Service,
        http::{self, uri::InvalidUri},
    },
    transport::{Channel, Endpoint},
};

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

impl Launch {
    /// The command, in a process group of its own, as the engine has it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command
    }
}

impl Process {
    /// Starts it, and reads the first line it writes. An end without one is an error that holds stderr.
    pub async fn start(launch: &Launch, heard: &Arc<Heard>) -> Result<Self> {
        let mut command = launch.command();
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
        let Ok(line) = timeout(Duration::from_secs(15), seen).await else { bail!("nothing on stdout within 15 s") };
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

/// A client that uses a connection.
pub fn client(channel: Channel) -> Client {
    Client::new(channel).max_decoding_message_size(MESSAGE_LIMIT).max_encoding_message_size(MESSAGE_LIMIT)
}

/// Connects to a provider on a port of this machine.
pub async fn connect(port: u16) -> Result<Channel> {
    // Details of an error travel in headers, and are as long as a resource's state.
    let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}"))?.http2_max_header_list_size(16 << 20);
    Ok(timeout(Duration::from_secs(10), endpoint.connect()).await.context("no connection within 10 s")??)
}

/// Bytes as they are, in place of messages.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let length = buffer.remaining();
        Ok(Some(buffer.copy_to_bytes(length).to_vec()))
    }
}

/// A provider at work: its process, unless it was attached to, and all that it speaks with.
pub struct Provider {
    pub client: Client,
    /// What the client speaks through.
    pub channel: Channel,
    pub process: Option<Process>,
    pub engine: Engine,
    /// None if the provider has no cloud.
    pub cloud: Option<Cloud>,
    pub port: u16,
}

impl Provider {
    /// Calls a method, such as `/pulumirpc.ResourceProvider/Check`, with bytes that need not be what it expects.
    pub async fn call(&self, method: &str, request: Vec<u8>) -> Result<Vec<u8>, Status> {
        let unavailable = |error: anyhow::Error| Status::unavailable(format!("{error:#}"));
        let mut client = Grpc::new(self.channel.clone()).max_decoding_message_size(MESSAGE_LIMIT);
        client.ready().await.map_err(|error| unavailable(error.into()))?;
        let path = method.parse().map_err(|error: InvalidUri| unavailable(error.into()))?;
        Ok(client.unary(Request::new(request), path, Raw).await?.into_inner())
    }

    /// Calls a method with a body in which even the frames of messages may be wrong; the answer is an HTTP status.
    pub async fn send(&self, method: &str, body: Full<Bytes>) -> Result<http::StatusCode> {
        let request = http::Request::post(format!("http://127.0.0.1:{}{method}", self.port))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Body::new(body))?;
        let mut channel = connect(self.port).await?;
        poll_fn(|context| Service::<http::Request<Body>>::poll_ready(&mut channel, context)).await?;
        let (parts, body) = channel.call(request).await?.into_parts();
        // An error within the body is an answer as well.
        _ = body.collect().await;
        Ok(parts.status)
    }

    /// How often it has called its cloud; none if it has no cloud.
    pub fn calls(&self) -> Option<usize> {
        self.cloud.as_ref().map(Cloud::calls)
    }
}

/// The folder that holds a program.
pub fn folder(program: &Path) -> String {
    program.parent().map(|it| it.display().to_string()).unwrap_or_default()
}
