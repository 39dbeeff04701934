//! What AWS has of a revision, and what of that this resource cannot keep.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use aws_sdk_ecs::{operation::describe_task_definition::DescribeTaskDefinitionOutput, types};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::AfterDeserializationInterceptorContextRef},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;
use serde_json::Value as Json;

use super::{TaskDefinitionInputs, normal};
use crate::{
    aws::{Explain as _, Refusal},
    check::says_off,
    resource::Context,
    schema::{Shape, Shapes},
    value::{Value, path_of_index, path_of_key},
};

/// A revision.
pub(super) struct Described {
    pub answer: DescribeTaskDefinitionOutput,
    /// The paths of what the revision has beyond what inputs can say.
    pub foreign: Vec<String>,
}

/// The revision of that name, or the latest active one of that family.
pub(super) async fn describe(context: &Context, name: &str) -> Result<Option<Described>> {
    let text = Text::default();
    let request = context.client.ecs().describe_task_definition().task_definition(name).include(types::TaskDefinitionField::Tags);
    match request.customize().interceptor(text.clone()).send().await.explain() {
        Err(error) if is_missing(&error) => Ok(None),
        answer => {
            let (answer, json) = (answer?, text.into_json());
            let mut foreign = Vec::new();
            find_foreign(&json["taskDefinition"], Shapes::of::<TaskDefinitionInputs>().root(), "", &mut foreign);
            Ok(Some(Described { answer, foreign }))
        }
    }
}

fn is_missing(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Refusal>().is_some_and(|it| it.message.starts_with("Unable to describe task definition"))
}

/// Keeps an answer as AWS gave it: the SDK drops what is newer than it.
#[derive(Clone, Debug, Default)]
struct Text(Arc<Mutex<Json>>);

impl Text {
    fn into_json(self) -> Json {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Intercept for Text {
    fn name(&self) -> &'static str {
        "Text"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let json = context.response().body().bytes().and_then(|it| serde_json::from_slice(it).ok());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = json.unwrap_or_default();
        Ok(())
    }
}

/// Finds what says something and is not in the shape of the inputs, whose properties are called as AWS calls them.
fn find_foreign(json: &Json, shape: Shape<'_>, path: &str, found: &mut Vec<String>) {
    let shape = shape.resolve();
    match (json, shape.element()) {
        (Json::Array(items), Some(element)) => {
            for (index, item) in items.iter().enumerate() {
                find_foreign(item, element, &path_of_index(path, index), found);
            }
        }
        (Json::Object(map), None) => {
            for (name, value) in map.iter().filter(|(name, _)| !(path.is_empty() && normal::is_printed(name))) {
                let path = path_of_key(path, name);
                // `sizeInGiB` is `sizeInGib`.
                match shape.properties().find(|(it, _)| it.eq_ignore_ascii_case(name)) {
                    Some((_, property)) => find_foreign(value, property, &path, found),
                    None if says_off(&Value::from(value.clone())) => {}
                    None => found.push(path),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_inputs_cannot_say_is_found_by_name() {
        let foreign = |json: Json| {
            let mut found = Vec::new();
            find_foreign(&json, Shapes::of::<TaskDefinitionInputs>().root(), "", &mut found);
            found
        };
        let off = json!({
            "taskDefinitionArn": "arn", "revision": 1, "status": "ACTIVE", "registeredAt": 1.5, "placementConstraints": [],
            "requiresAttributes": [{ "name": "ecs.capability.x" }], "volumes": [{ "name": "v", "host": {} }],
            "ephemeralStorage": { "sizeInGiB": 30 }, "pidMode": "task", "enableFaultInjection": true,
            "containerDefinitions": [{ "name": "app", "links": [], "privileged": false, "dockerLabels": { "any": "name" } }],
        });
        assert_eq!(foreign(off), Vec::<String>::new());
        let on = json!({
            "ipcMode": "task", "inferenceAccelerators": [{ "deviceName": "d" }], "newInTwoYears": { "on": true },
            "containerDefinitions": [{
                "name": "app", "resourceRequirements": [{ "type": "GPU", "value": "1" }], "portMappings": [{ "containerPortRange": "1-2" }],
            }],
            "volumes": [{ "name": "v", "configuredAtLaunch": true }, { "name": "s", "s3filesVolumeConfiguration": { "fileSystemArn": "a" } }],
        });
        assert_eq!(
            foreign(on),
            [
                "containerDefinitions[0].portMappings[0].containerPortRange",
                "containerDefinitions[0].resourceRequirements",
                "inferenceAccelerators",
                "ipcMode",
                "newInTwoYears",
                "volumes[0].configuredAtLaunch",
                "volumes[1].s3filesVolumeConfiguration",
            ]
        );
    }
}
