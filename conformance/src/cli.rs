//! The real engine: the Pulumi CLI on projects of its own, for what only it can show.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::Context as _;
use serde_json::{Value as Json, json};
use tokio::{process::Command, time::timeout};

use crate::{
    cloud::Cloud,
    item::{Outcome, failed, not_applicable},
    provider::folder,
    run::Run,
    samples::ResourceSample,
    schema::Entry,
    value::Map,
};

/// How long a command may take.
const LIMIT: Duration = Duration::from_mins(1);

/// The CLI, with a home and a backend of its own.
pub struct Cli<'a> {
    run: &'a Run,
    pulumi: PathBuf,
    /// Where its project is.
    pub folder: PathBuf,
    cloud: Option<Cloud>,
    /// Where programs are, beside the CLI itself.
    path: String,
    /// Set beside the rest of the environment.
    pub environment: Vec<(String, String)>,
}

/// What came of a command.
pub struct Output {
    pub succeeded: bool,
    pub stdout: String,
    /// All that it wrote, for people.
    pub text: String,
}

/// A resource that a program can have all by itself.
#[derive(Clone)]
pub struct Alone<'a> {
    pub name: &'a str,
    pub sample: &'a ResourceSample,
    pub entry: Entry<'a>,
}

impl<'a> Cli<'a> {
    /// Not applicable if there is none.
    pub async fn new(run: &'a Run) -> Outcome<Self> {
        let Some(pulumi) = &run.options.pulumi else { return not_applicable("no Pulumi CLI was given: --pulumi") };
        let pulumi = pulumi.canonicalize().with_context(|| format!("there is no Pulumi CLI at {}", pulumi.display()))?;
        let folder = tempfile::tempdir_in(run.folder.path()).context("cannot make a folder")?.keep();
        for name in ["home", "state"] {
            std::fs::create_dir(folder.join(name)).context("cannot make a folder")?;
        }
        let cloud = if run.options.clouds.is_empty() { None } else { Some(Cloud::before(&run.options.clouds).await?) };
        let path = std::env::var("PATH").unwrap_or_default();
        Ok(Self { run, pulumi, folder, cloud, path, environment: Vec::new() })
    }

    /// Looks for programs in this folder first.
    pub fn search(&mut self, folder: &str) {
        self.path = format!("{folder}:{}", self.path);
    }

    /// Runs it. Fails if it does not come to an end.
    pub async fn run(&self, arguments: &[&str]) -> Outcome<Output> {
        let mut command = Command::new(&self.pulumi);
        command.args(arguments).current_dir(&self.folder).env_clear();
        // The hosts of languages are beside it.
        command.env("PATH", format!("{}:{}", folder(&self.pulumi), self.path));
        command.env("HOME", self.folder.join("home")).env("PULUMI_HOME", self.folder.join("home"));
        command.env("PULUMI_BACKEND_URL", format!("file://{}", self.folder.join("state").display()));
        command.env("PULUMI_CONFIG_PASSPHRASE", "conformance").env("PULUMI_SKIP_UPDATE_CHECK", "true");
        command.env("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "true").env("NO_COLOR", "1");
        let filled = |text: &String| self.cloud.as_ref().map_or_else(|| text.clone(), |it| it.fill_in(text));
        command.envs(self.run.options.samples.provider.environment.iter().map(|(name, value)| (name, filled(value))));
        command.envs(self.environment.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let Ok(output) = timeout(LIMIT, command.output()).await else {
            return failed(format!("an end of `pulumi {}`", arguments.join(" ")), format!("none within {LIMIT:?}"));
        };
        let output = output.context("cannot start the Pulumi CLI")?;
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let lines = stdout.lines().chain(stderr.lines()).map(str::trim).filter(|it| !it.is_empty());
        let text = lines.collect::<Vec<_>>().join(" | ");
        Ok(Output { succeeded: output.status.success(), stdout: stdout.into_owned(), text })
    }

    /// Runs it, and fails if it does.
    pub async fn done(&self, arguments: &[&str], what: impl Display) -> Outcome<Output> {
        let output = self.run(arguments).await?;
        if output.succeeded { Ok(output) } else { failed(what, output.text) }
    }

    /// Makes a project of one resource, with a stack `dev`; `extra` is laid over Pulumi.yaml.
    pub async fn project(&self, alone: &Alone<'_>, extra: &Json) -> Outcome {
        let properties = &alone.sample.inputs;
        let mut project = json!({
            "name": "conformance",
            "runtime": "yaml",
            "resources": { "alone": { "type": alone.entry.token, "properties": properties } },
        });
        for (key, value) in extra.as_object().into_iter().flatten() {
            project[key] = value.clone();
        }
        let package = self.run.schema()?.package();
        let settings = self.run.settings(self.cloud.as_ref());
        let config: Map = settings.into_iter().map(|(name, value)| (format!("{package}:{name}"), value)).collect();
        // YAML is JSON as well.
        self.write("Pulumi.yaml", &project)?;
        if !self.folder.join("Pulumi.dev.yaml").exists() {
            self.done(&["stack", "init", "dev"], "a new stack").await?;
        }
        let salt = std::fs::read_to_string(self.folder.join("Pulumi.dev.yaml")).unwrap_or_default();
        let salt = salt.lines().find_map(|it| it.strip_prefix("encryptionsalt: ")).unwrap_or_default().to_owned();
        self.write("Pulumi.dev.yaml", &json!({ "encryptionsalt": salt, "config": config }))
    }

    fn write(&self, name: &str, json: &Json) -> Outcome {
        Ok(std::fs::write(self.folder.join(name), json.to_string()).with_context(|| format!("cannot write {name}"))?)
    }

    /// The settings that are plain text, numbers or booleans, as arguments of `pulumi do`.
    pub fn flags(&self) -> Outcome<Vec<String>> {
        let schema = self.run.schema()?;
        let settings = self.run.settings(self.cloud.as_ref());
        Ok(flags(&format!("{}:", schema.package()), &settings, schema.settings()))
    }
}

/// The inputs that are plain text, numbers or booleans, as arguments of `pulumi do`.
pub fn flags<'a>(prefix: &str, map: &Map, specs: impl Iterator<Item = (&'a str, crate::schema::Spec<'a>)>) -> Vec<String> {
    let simple = specs.filter(|(_, it)| matches!(it.json["type"].as_str(), Some("string" | "integer" | "number" | "boolean")));
    let given = simple.filter_map(|(name, _)| Some((name, map.get(name)?)));
    let flag = given.map(|(name, value)| {
        let kebab: String =
            name.chars().flat_map(|it| it.is_uppercase().then_some('-').into_iter().chain(it.to_lowercase())).collect();
        format!("--{prefix}{kebab}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    });
    flag.collect()
}

/// The folder in which the engine finds the provider by its name, which is made if need be.
pub fn plugin_folder(run: &Run) -> Outcome<PathBuf> {
    let program = run.program()?;
    let name = format!("pulumi-resource-{}", run.schema()?.package());
    if program.file_name().is_some_and(|it| *it == *name) {
        return Ok(program.parent().unwrap_or(Path::new("/")).to_owned());
    }
    let folder = run.folder.path().join("plugin");
    std::fs::create_dir_all(&folder).context("cannot make a folder")?;
    if !folder.join(&name).exists() {
        std::os::unix::fs::symlink(&program, folder.join(&name)).context("cannot make a link to the provider")?;
    }
    Ok(folder)
}

/// The resources that a program can have all by themselves.
pub fn alone(run: &Run) -> Outcome<Vec<Alone<'_>>> {
    let samples = run.samples()?.into_iter();
    let alone = samples.filter(|(_, sample, _)| sample.not_created.is_none() && !json!(sample.inputs).to_string().contains("${"));
    let found: Vec<_> = alone.map(|(name, sample, entry)| Alone { name, sample, entry }).collect();
    if found.is_empty() { not_applicable("all samples need something else, or are not created here") } else { Ok(found) }
}
