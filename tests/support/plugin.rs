//! The plugin's process, and a client that speaks to it.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use pulumi_provider::{
    rpc,
    rpc::{MESSAGE_LIMIT, resource_provider_client::ResourceProviderClient},
};
use tonic::transport::{Channel, Endpoint};

use super::props;

/// A cluster in some program.
pub const URN: &str = "urn:pulumi:dev::project::fargate:index:Cluster::main";

pub struct Plugin {
    process: Child,
    stdout: BufReader<ChildStdout>,
    pub port: u16,
    pub client: ResourceProviderClient<Channel>,
}

impl Plugin {
    /// Starts the plugin, with nothing in its environment that could tell it of an AWS but `endpoint`; and without an engine,
    /// which it would not outlive.
    pub async fn start(endpoint: &str) -> Self {
        Self::start_with(endpoint, &[]).await
    }

    pub async fn start_with(endpoint: &str, arguments: &[&str]) -> Self {
        let mut command = Self::command(arguments);
        command
            .env("AWS_ENDPOINT_URL", endpoint)
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_ACCESS_KEY_ID", "key")
            .env("AWS_SECRET_ACCESS_KEY", "secret");
        Self::start_in(command).await
    }

    /// Runs the command that starts the plugin, and connects.
    pub async fn start_in(mut command: Command) -> Self {
        let mut process = command.spawn().expect("the plugin starts");
        let mut stdout = BufReader::new(process.stdout.take().expect("stdout"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a line");
        let port = line.strip_suffix('\n').expect("a whole line").parse().expect("a port");
        // A test client has to allow the long headers that details of an error travel in.
        let endpoint =
            Endpoint::from_shared(format!("http://127.0.0.1:{port}")).expect("a URL").http2_max_header_list_size(16 << 20);
        let client =
            ResourceProviderClient::new(endpoint.connect().await.expect("a connection")).max_decoding_message_size(MESSAGE_LIMIT);
        Self { process, stdout, port, client }
    }

    /// Starts the plugin and configures it.
    pub async fn configured(endpoint: &str) -> Self {
        let mut plugin = Self::start(endpoint).await;
        plugin.configure(serde_json::json!({})).await;
        plugin
    }

    pub async fn configure(&mut self, settings: serde_json::Value) {
        let request = rpc::ConfigureRequest { args: props(settings), accept_secrets: true, ..Default::default() };
        self.client.configure(request).await.expect("a good configuration");
    }

    /// The command that starts the plugin in an empty environment.
    pub fn command(arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pulumi-resource-fargate"));
        command
            .args(arguments)
            .env_clear()
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Closes the plugin's stdin.
    pub fn close_stdin(&mut self) {
        drop(self.process.stdin.take());
    }

    /// Sends a signal, such as `INT`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.process.id().to_string()]).status();
        assert!(sent.expect("kill").success());
    }

    pub fn is_running(&mut self) -> bool {
        self.process.try_wait().expect("its state").is_none()
    }

    /// Waits for the process to end; how it ended, how long that took, and what else it wrote to stdout.
    pub async fn ended(&mut self) -> (ExitStatus, Duration, String) {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.process.try_wait().expect("its state") {
                break status;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "the plugin does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let took = started.elapsed();
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).expect("text");
        (status, took, rest)
    }

    pub async fn check(&mut self, urn: &str, inputs: serde_json::Value) -> rpc::CheckResponse {
        let request = rpc::CheckRequest {
            urn: urn.to_owned(),
            olds: props(serde_json::json!({})),
            news: props(inputs),
            random_seed: vec![0xab; 32],
            ..Default::default()
        };
        self.client.check(request).await.expect("an answer").into_inner()
    }

    pub async fn diff(&mut self, urn: &str, old: serde_json::Value, new: serde_json::Value) -> rpc::DiffResponse {
        let request = rpc::DiffRequest {
            urn: urn.to_owned(),
            id: "main".to_owned(),
            olds: props(old.clone()),
            old_inputs: props(old),
            news: props(new),
            ..Default::default()
        };
        self.client.diff(request).await.expect("an answer").into_inner()
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        // It may have ended already.
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
