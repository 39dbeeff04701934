//! iam: a role, together with all that it may do.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use aws_sdk_iam::types::{AttachedPermissionsBoundary, Tag};
use aws_smithy_types::date_time::Format;
use percent_encoding::percent_decode_str;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{Aws, Explain as _, Passing, Patience, Seen, Settle as _, refused_with},
    check::{Report, misspelt},
    document::{
        Document,
        policy::{self, Kind},
    },
    facts::RoleFacts,
    list::{Cursor, Listed, Page},
    plan::Facts,
    resource::{Context, Resource, tag_changes},
    value::path_of_key,
};

const GONE: &[&str] = &["NoSuchEntity"];
/// What AWS says of a trust policy whose principal was created a moment ago.
const PRINCIPAL_UNKNOWN: &[Passing] = &[("MalformedPolicyDocument", "Invalid principal"), ("ConcurrentModification", "")];
/// What AWS says of a role that was created a moment ago, or that another change is under way for.
const UNSETTLED: &[Passing] = &[("NoSuchEntity", "The role with name"), ("ConcurrentModification", "")];
/// What AWS says until it has noticed that the policies are gone.
const STILL_HELD: &[Passing] = &[("DeleteConflict", ""), ("ConcurrentModification", "")];

pub struct Role;

/// A role: what a task, or ECS itself, acts as, and what it may do as such.
///
/// The policies given here are all that the role has. Any other that is found on it shows up in `pulumi refresh`, and
/// the next `pulumi up` takes it off.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleInputs {
    /// The name of the role, unique in the account. Default: the resource's name and seven random digits.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_+=,.@-]+$"))]
    #[schemars(extend("replaceOnChanges" = true, "autoname" = 64, "caselessName" = true, "expects" = "made of letters, digits and any of _+=,.@-"))]
    pub name: String,
    /// Who may act as the role: a policy document, as a map or as JSON text. For tasks, the principal is the service
    /// `ecs-tasks.amazonaws.com`.
    pub assume_role_policy: Document,
    /// The ARNs of the managed policies that the role has, such as
    /// `arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy`.
    #[serde(default)]
    #[schemars(extend("compare" = "set"))]
    pub managed_policy_arns: Vec<String>,
    /// Policies of the role's own, by name: policy documents, as maps or as JSON text.
    #[serde(default)]
    pub inline_policies: BTreeMap<String, Document>,
    /// What the role is for.
    #[schemars(length(max = 1000))]
    pub description: Option<String>,
    /// The path of the role in its ARN, with a slash at both ends. Default: `/`.
    #[serde(default = "root")]
    #[schemars(length(max = 512), regex(pattern = "^/([!-~]+/)?$"))]
    #[schemars(extend("replaceOnChanges" = true, "expects" = "a path such as /service/, with a slash at both ends"))]
    pub path: String,
    /// How long a session of the role lasts at most, in seconds. Default: 3600, AWS's own; tasks get new credentials
    /// before their old ones expire, however long they run.
    #[serde(default = "hour")]
    #[schemars(range(min = 3600, max = 43_200))]
    pub max_session_duration: i32,
    /// The ARN of a managed policy that limits whatever the other policies allow.
    #[schemars(regex(pattern = "^arn:"), extend("expects" = "the ARN of a managed policy"))]
    pub permissions_boundary: Option<String>,
    /// Whether deleting the role also takes off policies that others put on it, and takes the role out of instance
    /// profiles. Default: true, so that nothing that was added by hand keeps a role that the program no longer has. When
    /// false, the deletion fails and says what holds the role.
    #[serde(default = "yes")]
    #[schemars(extend("writeOnly" = true))]
    pub force_detach_policies: bool,
    /// Tags to put on the role.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleOutputs {
    #[serde(flatten)]
    pub inputs: RoleInputs,
    /// The ARN of the role.
    pub arn: String,
    /// The id that AWS gives to the role, and to no other of the same name after it.
    pub unique_id: String,
    /// When the role was created.
    pub create_date: String,
}

fn root() -> String {
    "/".to_owned()
}

fn hour() -> i32 {
    3600
}

fn yes() -> bool {
    true
}

/// What roles to list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleQuery {
    /// What their paths begin with, such as `/service/`. Default: anything.
    #[schemars(length(max = 512), regex(pattern = "^/([!-~]+/)?$"))]
    #[schemars(extend("expects" = "a path such as /service/, with a slash at both ends"))]
    pub path_prefix: Option<String>,
}

impl Resource for Role {
    const NAME: &'static str = "Role";
    type Cloud = crate::aws::Session;
    const GLOBAL: bool = true;
    type Inputs = RoleInputs;
    type Outputs = RoleOutputs;
    type Query = RoleQuery;

    fn check(inputs: &RoleInputs, report: &mut Report<'_>) {
        policy::check("assumeRolePolicy", &inputs.assume_role_policy, Kind::Trust, report);
        for (name, document) in &inputs.inline_policies {
            policy::check(&path_of_key("inlinePolicies", name), document, Kind::Identity, report);
        }
        for (index, arn) in inputs.managed_policy_arns.iter().enumerate() {
            check_managed_policy(&format!("managedPolicyArns[{index}]"), arn, report);
        }
        if let Some(arn) = &inputs.permissions_boundary {
            check_managed_policy("permissionsBoundary", arn, report);
        }
        // IAM's quotas, which count no white space. Only that of the inline policies is the same for every account.
        let size = |it: &Document| it.to_text().chars().filter(|it| !it.is_whitespace()).count();
        let managed = inputs.managed_policy_arns.len();
        report.warn(
            &["managedPolicyArns?"],
            managed <= 10,
            format!("has {managed} policies; AWS allows a role 10, unless the quota was raised"),
        );
        let inline: usize = inputs.inline_policies.values().map(size).sum();
        report.rule(
            &["inlinePolicies"],
            inline <= 10_240,
            format!("has {inline} characters; AWS allows a role 10240 in all of them: make managed policies of some"),
        );
        let trust = size(&inputs.assume_role_policy);
        report.warn(
            &["assumeRolePolicy"],
            trust <= 2048,
            format!("has {trust} characters; AWS allows 2048, unless the quota was raised"),
        );
        for name in inputs.inline_policies.keys() {
            let legal = |it: char| it.is_ascii_alphanumeric() || "_+=,.@-".contains(it);
            report.rule(
                &[&format!("{}?", path_of_key("inlinePolicies", name))],
                (1..=128).contains(&name.len()) && name.chars().all(legal),
                "has a name that AWS does not allow: up to 128 letters, digits and any of _+=,.@-",
            );
        }
    }

    fn check_change(old: &RoleInputs, _: &RoleInputs, replacing: &BTreeSet<String>, report: &mut Report<'_>) {
        report.warn(
            &["path"],
            !replacing.contains("path") || replacing.contains("name") || !report.has_fixed_name(),
            format!(
                "cannot change in place, and role {} has a name of its own: it is deleted before it is created anew, so what acts as \
                 it is without permissions meanwhile, and policies elsewhere that name it do not mean the new one. Leave name out, or \
                 give another one, and the new role is created first",
                old.name
            ),
        );
    }

    fn facts(inputs: &RoleInputs, report: &Report<'_>) -> Option<Facts> {
        let trust = &inputs.assume_role_policy;
        // Of a policy with mistakes in it the role itself reports these: nothing is known of what it would be without.
        let is_unclear = !report.knows("assumeRolePolicy") || !policy::is_sound(trust, Kind::Trust);
        let is_for_tasks = is_unclear || trust.trusts("ecs-tasks");
        let allowed = report.known("managedPolicyArns", ()).and_then(|()| {
            let inline = report.known("inlinePolicies", &inputs.inline_policies)?.values().map(Document::allowed_actions);
            let managed = inputs.managed_policy_arns.iter().map(|it| allowed_by_managed_policy(it));
            Some(inline.chain(managed).collect::<Option<Vec<_>>>()?.concat())
        });
        let facts = Facts::new(RoleFacts { name: report.shown(&inputs.name), is_for_tasks, allowed });
        Some(facts.named(report.known("name", inputs.name.clone())))
    }

    async fn create(context: &Context, inputs: &RoleInputs) -> Result<String> {
        let create = || async {
            let request = context.client.iam().create_role().role_name(&inputs.name).path(&inputs.path);
            let request = request
                .assume_role_policy_document(inputs.assume_role_policy.to_text())
                .set_description(inputs.description.clone())
                .max_session_duration(inputs.max_session_duration)
                .set_permissions_boundary(inputs.permissions_boundary.clone())
                .set_tags(Some(to_tags(&inputs.tags)?));
            request.send().await.explain()
        };
        context.observer.settle(PRINCIPAL_UNKNOWN, create).await?;
        context.made(&inputs.name);
        grant(context, &inputs.name, &[], &BTreeMap::new(), inputs).await?;
        Ok(inputs.name.clone())
    }

    async fn update(context: &Context, id: &str, old: &RoleOutputs, new: &RoleInputs) -> Result<()> {
        let (iam, old) = (context.client.iam(), &old.inputs);
        if old.assume_role_policy != new.assume_role_policy {
            let update = || async {
                let request = iam.update_assume_role_policy().role_name(id).policy_document(new.assume_role_policy.to_text());
                request.send().await.explain()
            };
            context.observer.settle(PRINCIPAL_UNKNOWN, update).await?;
        }
        if old.description != new.description {
            let description = new.description.as_deref().unwrap_or_default();
            iam.update_role_description().role_name(id).description(description).send().await.explain()?;
        }
        if old.max_session_duration != new.max_session_duration {
            iam.update_role().role_name(id).max_session_duration(new.max_session_duration).send().await.explain()?;
        }
        match &new.permissions_boundary {
            same if *same == old.permissions_boundary => {}
            Some(arn) => {
                iam.put_role_permissions_boundary().role_name(id).permissions_boundary(arn).send().await.explain()?;
            }
            None => {
                iam.delete_role_permissions_boundary().role_name(id).send().await.explain()?;
            }
        }
        grant(context, id, &old.managed_policy_arns, &old.inline_policies, new).await?;
        let (set, removed) = tag_changes(&old.tags, &new.tags);
        if !removed.is_empty() {
            iam.untag_role().role_name(id).set_tag_keys(Some(removed)).send().await.explain()?;
        }
        if !set.is_empty() {
            iam.tag_role().role_name(id).set_tags(Some(to_tags(&set)?)).send().await.explain()?;
        }
        Ok(())
    }

    async fn ready(context: &Context, id: &str, _: &RoleInputs) -> Result<()> {
        let look = || async {
            match context.client.iam().get_role().role_name(id).send().await.explain() {
                Err(error) if refused_with(&error, GONE) => Ok(Seen::Pending("waiting for AWS to know the role".to_owned())),
                // For a moment, AWS may answer with the role's unique id in place of its ARN.
                Ok(it) if it.role().is_some_and(|it| !it.arn().starts_with("arn:")) => {
                    Ok(Seen::Pending("waiting for the ARN of the role".to_owned()))
                }
                answer => answer.map(|_| Seen::Ready(())),
            }
        };
        context.observer.wait(format!("role {id}"), Patience::seconds(120), look).await
    }

    async fn read(context: &Context, id: &str) -> Result<Option<RoleOutputs>> {
        let name = name_in(id)?;
        let role = match context.client.iam().get_role().role_name(name).send().await.explain() {
            Err(error) if refused_with(&error, GONE) => return Ok(None),
            answer => answer?.role.context("GetRole: AWS answered without a role")?,
        };
        if made_by_aws(&role.path) {
            bail!("role {name} has the path {}: AWS made it for a service of its own, and lets nobody else change it", role.path);
        }
        let (managed_policy_arns, inline_policies) =
            tokio::try_join!(managed(&context.client, name), inline(&context.client, name))?;
        let tags = role.tags().iter().map(|it| (it.key().to_owned(), it.value().to_owned())).collect();
        let boundary = role.permissions_boundary().and_then(AttachedPermissionsBoundary::permissions_boundary_arn);
        Ok(Some(RoleOutputs {
            inputs: RoleInputs {
                assume_role_policy: decoded(role.assume_role_policy_document().unwrap_or_default()),
                managed_policy_arns,
                inline_policies,
                description: role.description().filter(|it| !it.is_empty()).map(str::to_owned),
                max_session_duration: role.max_session_duration().unwrap_or_else(hour),
                permissions_boundary: boundary.map(str::to_owned),
                force_detach_policies: yes(),
                tags,
                name: role.role_name,
                path: role.path,
            },
            arn: role.arn,
            unique_id: role.role_id,
            create_date: role.create_date.fmt(Format::DateTime)?,
        }))
    }

    fn id(outputs: &RoleOutputs) -> String {
        outputs.inputs.name.clone()
    }

    async fn list(context: &Context, query: &RoleQuery, at: &Cursor) -> Result<Page> {
        let request = context.client.iam().list_roles().set_path_prefix(query.path_prefix.clone());
        let answer = request.max_items(at.size(1..=1000)).set_marker(at.token.clone()).send().await.explain()?;
        let roles = answer.roles.into_iter().filter(|it| !made_by_aws(&it.path));
        Ok(Page::new(roles.map(|it| Listed::named(it.role_name)), answer.marker))
    }

    async fn delete(context: &Context, id: &str, old: &RoleOutputs) -> Result<()> {
        let old = &old.inputs;
        strip(context, id, &old.managed_policy_arns, old.inline_policies.keys()).await?;
        let delete = || async {
            match context.client.iam().delete_role().role_name(id).send().await.explain() {
                Err(error) if refused_with(&error, GONE) => Ok(()),
                answer => answer.map(drop),
            }
        };
        match delete().await {
            Err(error) if refused_with(&error, &["DeleteConflict"]) => {}
            result => return result,
        }
        let profiles = profiles(&context.client, id).await?;
        let (arns, policies) = tokio::try_join!(managed(&context.client, id), inline(&context.client, id))?;
        let held: Vec<_> = arns.iter().chain(policies.keys()).chain(&profiles).map(String::as_str).collect();
        if !held.is_empty() && !old.force_detach_policies {
            bail!(
                "others have put {} on role {id}, or it into them; take them off, or set `forceDetachPolicies` to true and run \
                 `pulumi up` first",
                held.join(", ")
            );
        }
        strip(context, id, &arns, policies.keys()).await?;
        for profile in &profiles {
            let request = context.client.iam().remove_role_from_instance_profile().role_name(id).instance_profile_name(profile);
            unless_gone(request.send().await.explain())?;
        }
        context.observer.settle(STILL_HELD, delete).await
    }
}

/// The managed policies of AWS for ECS that are under `service-role/`, as the AWS Managed Policy Reference lists them.
const OF_SERVICE_ROLES: [&str; 5] = [
    "AmazonECSTaskExecutionRolePolicy",
    "AmazonEC2ContainerServiceforEC2Role",
    "AmazonEC2ContainerServiceRole",
    "AmazonEC2ContainerServiceAutoscaleRole",
    "AmazonEC2ContainerServiceEventsRole",
];

fn check_managed_policy(path: &str, arn: &str, report: &mut Report<'_>) {
    let name = arn.rsplit(['/', ':']).next().unwrap_or(arn);
    let known = misspelt(name, &OF_SERVICE_ROLES);
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    let (partition, owner, resource) = match parts[..] {
        ["arn", partition, "iam", "", owner, resource] => (partition, owner, resource),
        _ => ("aws", "", ""),
    };
    let is_owner = owner == "aws" || owner.len() == 12 && owner.chars().all(|it| it.is_ascii_digit());
    let is_arn = is_owner && resource.starts_with("policy/") && !resource.ends_with('/');
    let right = known.map(|it| format!("arn:{partition}:iam::aws:policy/service-role/{it}"));
    let near = right.as_ref().map(|it| format!("; did you mean {it}?")).unwrap_or_default();
    let example = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    report.rule(&[path], is_arn, format!("is {arn:?}, not the ARN of a managed policy such as {example}{near}"));
    // AWS has one policy of a name, whatever its path.
    let misplaced = is_arn && owner == "aws" && right.is_some_and(|it| it != arn);
    report.rule(&[path], !misplaced, format!("is {arn:?}, which AWS does not have{near}"));
}

/// The actions that a managed policy allows, if this version knows it.
fn allowed_by_managed_policy(arn: &str) -> Option<Vec<String>> {
    // https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonECSTaskExecutionRolePolicy.html
    let actions = [
        "ecr:GetAuthorizationToken",
        "ecr:BatchCheckLayerAvailability",
        "ecr:GetDownloadUrlForLayer",
        "ecr:BatchGetImage",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    ];
    arn.ends_with(":policy/service-role/AmazonECSTaskExecutionRolePolicy").then(|| actions.map(str::to_owned).to_vec())
}

/// Gives the role the policies that it should have, and only then takes off those that it should not: what it may do
/// before and after, it may do in between.
async fn grant(
    context: &Context,
    name: &str,
    old_managed: &[String],
    old_inline: &BTreeMap<String, Document>,
    new: &RoleInputs,
) -> Result<()> {
    let iam = context.client.iam();
    for arn in new.managed_policy_arns.iter().filter(|it| !old_managed.contains(it)) {
        let attach = || async { iam.attach_role_policy().role_name(name).policy_arn(arn).send().await.explain() };
        context.observer.settle(UNSETTLED, attach).await.with_context(|| format!("managedPolicyArns: {arn}"))?;
    }
    for (policy, document) in new.inline_policies.iter().filter(|(policy, it)| old_inline.get(*policy) != Some(it)) {
        let put = || async {
            let request = iam.put_role_policy().role_name(name).policy_name(policy).policy_document(document.to_text());
            request.send().await.explain()
        };
        context.observer.settle(UNSETTLED, put).await.with_context(|| path_of_key("inlinePolicies", policy))?;
    }
    let arns: Vec<_> = old_managed.iter().filter(|it| !new.managed_policy_arns.contains(it)).cloned().collect();
    strip(context, name, &arns, old_inline.keys().filter(|it| !new.inline_policies.contains_key(*it))).await
}

async fn strip(context: &Context, name: &str, managed: &[String], inline: impl Iterator<Item = &String>) -> Result<()> {
    let iam = context.client.iam();
    for arn in managed {
        unless_gone(iam.detach_role_policy().role_name(name).policy_arn(arn).send().await.explain())?;
    }
    for policy in inline {
        unless_gone(iam.delete_role_policy().role_name(name).policy_name(policy).send().await.explain())?;
    }
    Ok(())
}

/// Whether a role of this path is one that AWS makes for itself: a service-linked role, or one of IAM Identity Center.
fn made_by_aws(path: &str) -> bool {
    path.starts_with("/aws-service-role/") || path.starts_with("/aws-reserved/")
}

fn unless_gone<T>(answer: Result<T>) -> Result<()> {
    match answer {
        Err(error) if refused_with(&error, GONE) => Ok(()),
        answer => answer.map(drop),
    }
}

async fn managed(aws: &Aws, name: &str) -> Result<Vec<String>> {
    let pages = aws.iam().list_attached_role_policies().role_name(name).into_paginator().items().send();
    let policies = pages.collect::<Result<Vec<_>, _>>().await.explain()?;
    Ok(policies.into_iter().filter_map(|it| it.policy_arn).collect())
}

async fn inline(aws: &Aws, name: &str) -> Result<BTreeMap<String, Document>> {
    let pages = aws.iam().list_role_policies().role_name(name).into_paginator().items().send();
    let names = pages.collect::<Result<Vec<_>, _>>().await.explain()?;
    let document = |policy: String| async move {
        match aws.iam().get_role_policy().role_name(name).policy_name(&policy).send().await.explain() {
            // Just deleted, and still in the list.
            Err(error) if refused_with(&error, GONE) => Ok(None),
            answer => Ok::<_, anyhow::Error>(Some((policy, decoded(answer?.policy_document())))),
        }
    };
    let policies = futures::future::try_join_all(names.into_iter().map(document)).await?;
    Ok(policies.into_iter().flatten().collect())
}

async fn profiles(aws: &Aws, name: &str) -> Result<Vec<String>> {
    let pages = aws.iam().list_instance_profiles_for_role().role_name(name).into_paginator().items().send();
    let profiles = pages.collect::<Result<Vec<_>, _>>().await.explain()?;
    Ok(profiles.into_iter().map(|it| it.instance_profile_name).collect())
}

/// The name, from itself or from an ARN, `arn:aws:iam::account:role/path/name`.
fn name_in(id: &str) -> Result<&str> {
    if id.starts_with("arn:") && !id.contains(":role/") {
        bail!("{id} is not the ARN of a role, such as arn:aws:iam::123456789012:role/name");
    }
    Ok(id.rsplit('/').next().unwrap_or(id))
}

/// IAM shows documents as they would stand in a URL.
fn decoded(document: &str) -> Document {
    Document::new(&percent_decode_str(document).decode_utf8_lossy())
}

fn to_tags(tags: &BTreeMap<String, String>) -> Result<Vec<Tag>> {
    tags.iter().map(|(key, value)| Ok(Tag::builder().key(key).value(value).build()?)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        plan::Plan,
        resource::{findings, findings_of_change},
        value::Value,
    };

    #[test]
    fn a_role_that_goes_before_its_replacement_is_warned_of() {
        let trust = json!({ "Statement": [] });
        let role = |more: serde_json::Value| {
            let mut inputs = json!({ "assumeRolePolicy": trust });
            inputs.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            inputs
        };
        let warnings =
            |old: serde_json::Value, new: serde_json::Value| findings_of_change::<Role>(role(old).into(), role(new).into()).1;
        let said = warnings(json!({ "name": "app" }), json!({ "name": "app", "path": "/video/" }));
        assert!(said.len() == 1 && said[0].contains("deleted before it is created anew"), "{said:?}");
        assert_eq!(warnings(json!({ "name": "app" }), json!({ "name": "web", "path": "/video/" })), Vec::<String>::new());
        assert_eq!(warnings(json!({ "name": "app" }), json!({ "path": "/video/" })), Vec::<String>::new());
        assert_eq!(warnings(json!({ "name": "app" }), json!({ "name": "app", "description": "" })), Vec::<String>::new());
    }

    #[test]
    fn quotas_of_iam_are_known() {
        let policies = |count: usize| (0..count).map(|it| format!("arn:aws:iam::aws:policy/{it:016}")).collect::<Vec<_>>();
        let long = json!({ "Statement": [], "Id": "a".repeat(11_000) });
        let resource = format!("arn:aws:s3:::{}", "a".repeat(11_000));
        let inline = json!({ "Statement": [{ "Effect": "Allow", "Action": "s3:GetObject", "Resource": resource }] });
        let found = |more: serde_json::Value| {
            let mut inputs = json!({ "assumeRolePolicy": { "Statement": [] } });
            inputs.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            findings::<Role>(&Plan::default(), inputs.into())
        };
        assert_eq!(found(json!({ "managedPolicyArns": policies(10) })), (vec![], vec![]));
        assert!(found(json!({ "managedPolicyArns": policies(11) })).1[0].contains("AWS allows a role 10"));
        assert!(found(json!({ "inlinePolicies": { "one": inline } })).0[0].contains("AWS allows a role 10240"));
        assert!(found(json!({ "assumeRolePolicy": long })).1[0].contains("AWS allows 2048"));
    }

    #[test]
    fn documents_and_arns_are_told_at_their_paths() {
        let statement =
            json!({ "Effect": "allow", "Action": "sts:AssumeRole", "Principal": { "Service": "ecs-tasks.amazonaws.com" } });
        let inline = json!({ "Statement": [{ "Effect": "Allow", "Actions": "s3:*", "Resource": "*" }] }).to_string();
        let role = |more: serde_json::Value| {
            let mut inputs = json!({ "assumeRolePolicy": { "Statement": [] } });
            inputs.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            findings::<Role>(&Plan::default(), inputs.into()).0
        };
        let found = role(json!({ "assumeRolePolicy": { "Statement": [statement] }, "inlinePolicies": { "read-all": inline } }));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with(r#"assumeRolePolicy.Statement[0].Effect is "allow", not Allow or Deny"#), "{found:?}");
        assert!(found[1].starts_with(r#"inlinePolicies["read-all"].Statement[0].Actions "#), "{found:?}");
        let right = "did you mean arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy?";
        for (arn, rule) in [
            ("arn:aws:iam::aws:policy/AmazonECSTaskExecutionRolePolicy", right),
            ("arn:aws:iam::aws:policy/service-role/AmazonEcsTaskExecutionRolePolicy", right),
            ("AmazonECSTaskExecutionRolePolicy", right),
            ("ReadOnlyAccess", "not the ARN of a managed policy"),
            ("arn:aws:iam::aws:role/ReadOnlyAccess", "not the ARN of a managed policy"),
            ("arn:aws:iam::12345:policy/own", "not the ARN of a managed policy"),
        ] {
            let found = role(json!({ "managedPolicyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess", arn] }));
            assert!(found.len() == 1 && found[0].starts_with("managedPolicyArns[1] ") && found[0].contains(rule), "{found:?}");
        }
        for arn in [
            "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy",
            "arn:aws-cn:iam::aws:policy/service-role/AmazonEC2ContainerServiceRole",
            "arn:aws:iam::123456789012:policy/AmazonECSTaskExecutionRolePolicy",
            "arn:aws:iam::123456789012:policy/team/own",
        ] {
            assert_eq!(role(json!({ "managedPolicyArns": [arn], "permissionsBoundary": arn })), Vec::<String>::new());
        }
    }

    /// An unknown part hides no mistake beside it, and a secret one is not shown.
    #[test]
    fn what_is_unknown_or_secret_hides_no_mistake() {
        let text = |it: &str| Value::String(it.to_owned());
        let statement = |resource: Value, effect: Value| {
            let elements = [("Effect", effect), ("Action", text("s3:*")), ("Resource", resource)];
            let statement = Value::Object(elements.into_iter().map(|(name, it)| (name.to_owned(), it)).collect());
            let policy = Value::Object([("Statement".to_owned(), Value::List(vec![statement]))].into());
            let inline = Value::Object([("read".to_owned(), policy)].into());
            let trust = Value::from(json!({ "Statement": [] }));
            let inputs = [("assumeRolePolicy".to_owned(), trust), ("inlinePolicies".to_owned(), inline)];
            findings::<Role>(&Plan::default(), Value::Object(inputs.into())).0
        };
        let found = statement(Value::Unknown, text("allow"));
        assert!(found.len() == 1 && found[0].starts_with("inlinePolicies.read.Statement[0].Effect is \"allow\""), "{found:?}");
        let found = statement(Value::Unknown, Value::Unknown);
        assert_eq!(found, Vec::<String>::new());
        let found = statement(text("hush").secret(), text("allow"));
        assert!(found.len() == 2 && !found.concat().contains("hush"), "{found:?}");
    }

    #[test]
    fn roles_that_aws_makes_for_itself_are_known_by_their_path() {
        assert!(made_by_aws("/aws-service-role/ecs.amazonaws.com/") && made_by_aws("/aws-reserved/sso.amazonaws.com/"));
        assert!(!made_by_aws("/") && !made_by_aws("/service-role/"));
    }
}
