//! The command: `provider-conformance --samples samples.yaml path/to/pulumi-resource-name`.

use std::{
    io::{IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Parser;
use provider_conformance::{
    check,
    item::Item,
    items,
    run::{Options, Run, Source},
    samples::Samples,
};
use tokio::signal::unix::{SignalKind, signal};

/// Plays the Pulumi engine to a provider, and tells how well it keeps to the protocol.
///
/// The exit status is 0 if no item failed, 1 if one did, 2 if the suite could not run.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The provider's program, `pulumi-resource-<name>`.
    #[arg(required_unless_present_any = ["attach", "list"])]
    provider: Option<PathBuf>,
    /// The port of a provider that runs already, in place of a program.
    #[arg(long, conflicts_with = "provider")]
    attach: Option<u16>,
    /// The file of samples: what the suite may ask for.
    #[arg(long)]
    samples: Option<PathBuf>,
    /// The address of the cloud that the provider works on, for `${cloud}` in the samples; with `name=` before it, for
    /// `${cloud.name}`.
    #[arg(long, value_name = "[NAME=]URL")]
    cloud: Vec<String>,
    /// The Pulumi CLI, for the few items that only it can show.
    #[arg(long)]
    pulumi: Option<PathBuf>,
    /// The numbers of the items to check. Default: all.
    #[arg(long, value_delimiter = ',')]
    only: Vec<u16>,
    /// Write what came of it as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write what came of it as JUnit's XML.
    #[arg(long)]
    junit: Option<PathBuf>,
    /// List the items, and do nothing.
    #[arg(long)]
    list: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
        return ExitCode::from(2);
    };
    let result = tokio::select! {
        result = run(Arguments::parse()) => result,
        // What is dropped here takes its processes and folders along.
        _ = interrupt.recv() => Err(anyhow!("interrupted")),
        _ = terminate.recv() => Err(anyhow!("terminated")),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            // Nothing is left to do if stderr is gone.
            _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: Arguments) -> Result<bool> {
    let mut stdout = std::io::stdout();
    let items = chosen(&arguments.only)?;
    if arguments.list {
        for item in &items {
            writeln!(stdout, "{:>3}  {}", item.number, item.title)?;
        }
        return Ok(true);
    }
    let provider = match (arguments.provider, arguments.attach) {
        // Not the file behind a link: some programs are told by their name what to do.
        (Some(program), _) if program.is_file() => Source::Program(std::path::absolute(program)?),
        (Some(program), _) => bail!("there is no program at {}", program.display()),
        (None, Some(port)) => Source::Port(port),
        (None, None) => bail!("say which provider"),
    };
    let samples = Samples::read(arguments.samples.as_deref())?;
    let clouds = arguments.cloud.iter().map(|it| match it.split_once('=') {
        Some((name, url)) if !name.contains(':') => (format!("cloud.{name}"), url.to_owned()),
        _ => ("cloud".to_owned(), it.clone()),
    });
    let options = Options { provider, samples, clouds: clouds.collect(), pulumi: arguments.pulumi };
    let run = Run::new(options).await?;
    let mistakes = run.mistakes();
    if !mistakes.is_empty() {
        bail!("the samples do not fit: {}", mistakes.join("; "));
    }
    let mut checked = 0;
    let report = check(&run, &items, |row| {
        checked += 1;
        if std::io::stderr().is_terminal() {
            // A sign of life; the table comes at the end.
            _ = write!(std::io::stderr(), "\r{checked} of {}: {}\x1b[K", items.len(), row.item.title);
        }
    })
    .await;
    if std::io::stderr().is_terminal() {
        _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    writeln!(stdout, "{report}")?;
    if let Some(path) = arguments.json {
        std::fs::write(&path, serde_json::to_string_pretty(&report.json())?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(path) = arguments.junit {
        std::fs::write(&path, report.junit()?).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(report.succeeded())
}

fn chosen(only: &[u16]) -> Result<Vec<Item>> {
    let all = items::all();
    if let Some(number) = only.iter().find(|number| !all.iter().any(|it| it.number == **number)) {
        bail!("there is no item {number}; `--list` tells all");
    }
    Ok(all.into_iter().filter(|it| only.is_empty() || only.contains(&it.number)).collect())
}
