//! What a provider talks to, such as AWS: what concerns all of its resources alike.

use std::{fmt, sync::Arc};

use anyhow::{Error, Result};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::{
    check::Failure,
    schema::Shape,
    value::{Map, Value},
    wait::Observer,
};

/// What the resources of a provider are in. A value of it is a session: the provider as the program configures it.
///
/// `()` is the one of packages that have only components.
pub trait Cloud: Sized + Send + Sync + 'static {
    /// The package whose resources are in it, as texts name it: `pulumi import <package>:index:…`.
    const PACKAGE: &'static str;

    /// What texts call it, such as `AWS`.
    const NAME: &'static str;

    /// The regions that it has, if any.
    const REGIONS: Option<Regions> = None;

    /// The settings of the provider. The doc comments of the struct and its fields are the docs of the package.
    type Settings: DeserializeOwned + JsonSchema;

    /// What requests about resources in one region work with.
    type Client: Send + Sync + 'static;

    /// What is wrong with settings, beyond their shape.
    fn check_settings(_settings: &Map) -> Vec<Failure> {
        Vec::new()
    }

    /// What the environment says of settings that the program leaves out.
    ///
    /// # Errors
    /// When neither says what has to be said.
    fn settings_of_environment(_settings: &Map) -> impl Future<Output = Result<Map, MissingSetting>> + Send {
        async { Ok(Map::new()) }
    }

    /// A session with these settings, that has not called anyone yet.
    ///
    /// # Errors
    /// When the settings lack what has to be said.
    fn new(settings: Self::Settings) -> Result<Self, MissingSetting>;

    /// What the user should know of the settings before anything is done, if anything: the cause on the first line, then the fix.
    fn warning(&self) -> impl Future<Output = Option<String>> + Send {
        async { None }
    }

    /// The provider's own region.
    fn region(&self) -> Option<&str> {
        None
    }

    /// What requests about `region`, or about the provider's own, work with.
    ///
    /// # Errors
    /// [`NoAccess`] where no request will get any further: that is reported once for the whole stack.
    fn client(&self, region: Option<&str>, observer: &Observer) -> impl Future<Output = Result<Arc<Self::Client>>> + Send;

    /// Runs the work of a request, which `observer` may end. Where calls are tried again, this is where they learn until when.
    fn run<T: Send>(_observer: &Observer, work: impl Future<Output = T> + Send) -> impl Future<Output = T> + Send {
        work
    }

    /// Adds what the provider puts on every resource, such as tags, to the inputs of one.
    fn add_defaults(&self, _inputs: &mut Map, _shape: Shape<'_>) {}

    /// Takes what is none of the program's out of what a resource shows; `inputs` are what the program says.
    fn forget_ignored(&self, _outputs: &mut Map, _inputs: &Map) {}

    /// Keywords for the inputs of a resource which its types do not say, by path, such as `actions[].order`. Those of the types
    /// come first.
    fn bounds(_resource: &str) -> impl Iterator<Item = (&str, &Json)> {
        [].into_iter()
    }

    /// What is wrong with one value, by keywords of the cloud's own; `path` is where it is, and a `secret` one is not to be shown.
    fn check(_value: &Value, _property: Shape<'_>, _path: &str, _secret: bool) -> Vec<Failure> {
        Vec::new()
    }

    /// Whether two texts of one property mean the same, by a word of the cloud's own for the keyword `compare`. `loosely` if
    /// one may be what the cloud shows of the other, and if to tell them apart would cost the resource.
    fn means_the_same(_compare: &str, _old: &str, _new: &str, _loosely: bool) -> bool {
        false
    }

    /// A JSON document in the one form that all its spellings share; none if it says nothing.
    fn document(json: Json) -> Option<Json> {
        let says_nothing = json.as_object().is_some_and(serde_json::Map::is_empty);
        (!says_nothing).then_some(json)
    }

    /// The region that something is in, if its id tells.
    fn region_of_id(_id: &str) -> Option<&str> {
        None
    }

    /// What other resources may refer to a resource by, besides its name and its id: texts, or unknowns that will be such.
    fn references(_id: Option<&str>, _outputs: &Map) -> Vec<Value> {
        Vec::new()
    }

    /// Whether the error of a `create` says that something else has the name already.
    fn is_taken(_error: &Error) -> bool {
        false
    }
}

/// Components register their children, and call nobody.
impl Cloud for () {
    const PACKAGE: &'static str = "";
    const NAME: &'static str = "the engine";
    type Settings = NoSettings;
    type Client = ();

    fn new(NoSettings {}: NoSettings) -> Result<Self, MissingSetting> {
        Ok(())
    }

    async fn client(&self, _: Option<&str>, _: &Observer) -> Result<Arc<()>> {
        Ok(Arc::new(()))
    }
}

/// The provider has no settings.
#[derive(serde::Deserialize, JsonSchema)]
pub struct NoSettings {}

/// The regions of a cloud: every resource is in one, but for those that are the same in all, and a program may say which.
#[derive(Clone, Copy, Debug)]
pub struct Regions {
    /// The docs of the input `region`.
    pub description: &'static str,
    /// What the name of a region looks like, as a pattern and in words.
    pub pattern: &'static str,
    /// The pattern in words.
    pub expects: &'static str,
    /// Where the provider's own region is set.
    pub setting: &'static str,
}

/// A setting without which nothing goes.
#[derive(Clone, Debug)]
pub struct MissingSetting {
    /// Its name.
    pub name: &'static str,
    /// What is missing, and how to set it.
    pub description: String,
}

/// Access to the cloud failed: the cause on the first line, then the fix. It is reported once, in full; all resources that were
/// not tried because of it have one line.
#[derive(Clone, Debug)]
pub struct NoAccess(pub String);

impl NoAccess {
    /// The cause alone.
    pub fn cause(&self) -> &str {
        self.0.lines().next().unwrap_or_default()
    }
}

impl fmt::Display for NoAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoAccess {}
