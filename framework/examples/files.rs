//! A whole provider: files in a folder of this machine.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    sync::Arc,
};

use anyhow::{Error, Result};
use pulumi_provider::{
    check::Report,
    cloud::{Cloud, MissingSetting},
    function::{self, Function},
    list::{All, Cursor, Listed, Page},
    package::Package,
    resource::{self, Context, Resource},
    wait::Observer,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The folder that the files are in.
#[derive(Deserialize, JsonSchema)]
struct Settings {
    /// The path of the folder, which has to exist.
    folder: String,
}

struct Disk(Arc<PathBuf>);

impl Cloud for Disk {
    const PACKAGE: &'static str = "files";
    const NAME: &'static str = "the disk";
    type Settings = Settings;
    type Client = PathBuf;

    fn new(settings: Settings) -> Result<Self, MissingSetting> {
        Ok(Self(Arc::new(settings.folder.into())))
    }

    async fn client(&self, _region: Option<&str>, _observer: &Observer) -> Result<Arc<PathBuf>> {
        Ok(self.0.clone())
    }

    fn is_taken(error: &Error) -> bool {
        kind(error) == Some(ErrorKind::AlreadyExists)
    }
}

fn kind(error: &Error) -> Option<ErrorKind> {
    error.downcast_ref::<std::io::Error>().map(std::io::Error::kind)
}

/// A file with some text in it.
#[derive(Deserialize, Serialize, JsonSchema)]
struct FileInputs {
    /// The name of the file. Default: one that is made up.
    #[schemars(regex(pattern = "^[^/]+$"))]
    #[schemars(extend("autoname" = 100, "replaceOnChanges" = true, "expects" = "a name without a slash"))]
    name: String,
    /// The text.
    content: String,
    /// Who may read and write it, as `chmod` takes it. Default: 0644.
    #[serde(default = "mode")]
    #[schemars(regex(pattern = "^0[0-7]{3}$"), extend("expects" = "four octal digits such as 0644"))]
    mode: String,
}

fn mode() -> String {
    "0644".to_owned()
}

#[derive(Deserialize, Serialize, JsonSchema)]
struct FileOutputs {
    #[serde(flatten)]
    inputs: FileInputs,
    /// The length of the text in bytes.
    size: usize,
}

struct File;

impl Resource for File {
    const NAME: &'static str = "File";
    type Cloud = Disk;
    type Inputs = FileInputs;
    type Outputs = FileOutputs;
    type Query = All;

    fn check(inputs: &FileInputs, report: &mut Report<'_>) {
        report.warn(&["mode"], !inputs.mode.ends_with(['2', '3', '6', '7']), "lets everybody write to the file");
    }

    async fn create(context: &Context<Disk>, inputs: &FileInputs) -> Result<String> {
        let path = context.client.join(&inputs.name);
        let mut file = fs::File::create_new(&path)?;
        // From here on there is a file: if writing fails, the next `pulumi up` carries on.
        context.made(&inputs.name);
        file.write_all(inputs.content.as_bytes())?;
        fs::set_permissions(path, permissions(&inputs.mode)?)?;
        Ok(inputs.name.clone())
    }

    async fn update(context: &Context<Disk>, id: &str, _old: &FileOutputs, new: &FileInputs) -> Result<()> {
        let path = context.client.join(id);
        fs::write(&path, &new.content)?;
        Ok(fs::set_permissions(path, permissions(&new.mode)?)?)
    }

    async fn read(context: &Context<Disk>, id: &str) -> Result<Option<FileOutputs>> {
        let path = context.client.join(id);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        let mode = format!("{:04o}", fs::metadata(path)?.permissions().mode() & 0o777);
        Ok(Some(FileOutputs { size: text.len(), inputs: FileInputs { name: id.to_owned(), content: text, mode } }))
    }

    fn id(outputs: &FileOutputs) -> String {
        outputs.inputs.name.clone()
    }

    async fn list(context: &Context<Disk>, _query: &All, _at: &Cursor) -> Result<Page> {
        let names = fs::read_dir(&*context.client)?.map(|it| Ok(it?.file_name().to_string_lossy().into_owned()));
        Ok(Page::whole(names.collect::<Result<Vec<_>>>()?.into_iter().map(Listed::named)))
    }

    async fn delete(context: &Context<Disk>, id: &str, _old: &FileOutputs) -> Result<()> {
        match fs::remove_file(context.client.join(id)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

fn permissions(mode: &str) -> Result<fs::Permissions> {
    Ok(fs::Permissions::from_mode(u32::from_str_radix(mode, 8)?))
}

/// Counts the files of the folder.
#[derive(Deserialize, JsonSchema)]
struct CountArguments {
    /// What the names end with. Default: anything.
    #[serde(default)]
    suffix: String,
}

#[derive(Serialize, JsonSchema)]
struct CountAnswer {
    /// How many there are.
    count: usize,
}

struct CountFiles;

impl Function for CountFiles {
    const NAME: &'static str = "countFiles";
    type Cloud = Disk;
    type Arguments = CountArguments;
    type Answer = CountAnswer;

    async fn call(context: &Context<Disk>, arguments: &CountArguments) -> Result<CountAnswer> {
        let names = fs::read_dir(&*context.client)?.filter_map(Result::ok).map(|it| it.file_name());
        Ok(CountAnswer { count: names.filter(|it| it.to_string_lossy().ends_with(&arguments.suffix)).count() })
    }
}

static FILE: resource::Erased<File> = resource::Erased::NEW;
static COUNT_FILES: function::Erased<CountFiles> = function::Erased::NEW;

static PACKAGE: Package<Disk> = Package {
    name: Disk::PACKAGE,
    version: "1.0.0",
    description: "Files in a folder of this machine.",
    keywords: &["kind/native"],
    publisher: "pulumi-provider",
    license: "Apache-2.0",
    resources: &[&FILE],
    functions: &[&COUNT_FILES],
    components: &[],
};

fn main() -> Result<()> {
    pulumi_provider::serve(&PACKAGE)
}
