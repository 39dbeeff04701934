//! CloudWatch Logs: what a container wrote, and writes.

use anyhow::Result;
use aws_sdk_ecs::types::{ContainerDefinition, LogDriver};

use super::{Explain as _, refused_with};
use crate::{resource::Context, value::Secrets};

/// Where `awslogs` writes what a container says.
#[derive(Clone)]
pub struct Stream {
    pub group: String,
    pub name: String,
    pub region: Option<String>,
}

impl Stream {
    /// The stream of a container of a task, if it can be told.
    pub fn of(container: &ContainerDefinition, task_arn: &str) -> Option<Self> {
        let logs = container.log_configuration().filter(|it| *it.log_driver() == LogDriver::Awslogs)?;
        let option = |name: &str| logs.options()?.get(name).cloned();
        let task = task_arn.rsplit('/').next()?;
        let name = format!("{}/{}/{task}", option("awslogs-stream-prefix")?, container.name()?);
        Some(Self { group: option("awslogs-group")?, name, region: option("awslogs-region") })
    }
}

/// A line for the terminal: not longer than anybody reads, and without what would move its cursor or change its colours. Secrets
/// go first: nobody would know a part of one.
fn tidy(line: &str, secrets: &Secrets) -> String {
    const LONGEST: usize = 500;
    let line = secrets.hide(line.to_owned(), &[]);
    let shown: String = line.trim_end().chars().filter(|it| !it.is_control() || *it == '\t').take(LONGEST + 1).collect();
    match shown.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown,
    }
}

/// The last lines of a stream, the oldest first; none if there is no such stream.
pub async fn tail(context: &Context, stream: &Stream, lines: i32) -> Result<Vec<String>> {
    let (aws, secrets) = (&context.client, &context.observer.secrets);
    let request = aws.logs().get_log_events().log_group_name(&stream.group).log_stream_name(&stream.name);
    match request.limit(lines).start_from_head(false).send().await.explain() {
        Ok(answer) => {
            Ok(answer.events.unwrap_or_default().into_iter().filter_map(|it| it.message).map(|it| tidy(&it, secrets)).collect())
        }
        Err(error) if refused_with(&error, &["ResourceNotFoundException"]) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Lines of a stream that nobody has read yet.
#[derive(Default)]
pub struct Follower {
    /// Where AWS says that the rest begins.
    token: Option<String>,
}

impl Follower {
    /// What has been written since the last call, the oldest first; none as long as there is no such stream.
    pub async fn read_on(&mut self, context: &Context, stream: &Stream) -> Result<Vec<String>> {
        let (aws, secrets) = (&context.client, &context.observer.secrets);
        let mut lines = Vec::new();
        loop {
            let request = aws.logs().get_log_events().log_group_name(&stream.group).log_stream_name(&stream.name);
            let request = request.start_from_head(true).set_next_token(self.token.clone());
            let answer = match request.send().await.explain() {
                Err(error) if refused_with(&error, &["ResourceNotFoundException"]) => return Ok(lines),
                answer => answer?,
            };
            lines.extend(answer.events.unwrap_or_default().into_iter().filter_map(|it| it.message).map(|it| tidy(&it, secrets)));
            // At the end, AWS gives the token back.
            if answer.next_forward_token.is_none() || answer.next_forward_token == self.token {
                return Ok(lines);
            }
            self.token = answer.next_forward_token;
        }
    }
}
