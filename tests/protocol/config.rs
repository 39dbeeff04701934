//! The provider's settings.

use pulumi_provider::{rpc, value::Value};
use serde_json::json;
use tonic::Code;

use super::UNREACHABLE;
use crate::support::{FakeAws, FakeEngine, Plugin, URN, cluster, props, read, told};

async fn check_config(plugin: &mut Plugin, news: serde_json::Value) -> rpc::CheckResponse {
    let urn = "urn:pulumi:dev::project::pulumi:providers:fargate::default".to_owned();
    let request = rpc::CheckRequest { urn, news: props(news), ..Default::default() };
    plugin.client.check_config(request).await.expect("an answer").into_inner()
}

async fn diff_config(plugin: &mut Plugin, old: serde_json::Value, new: serde_json::Value) -> rpc::DiffResponse {
    let request = rpc::DiffRequest { old_inputs: props(old.clone()), olds: props(old), news: props(new), ..Default::default() };
    plugin.client.diff_config(request).await.expect("an answer").into_inner()
}

#[tokio::test]
async fn settings_are_taken_as_text_and_in_their_own_types() {
    let mut plugin = Plugin::start(UNREACHABLE).await;
    let text = json!({
        "region": "eu-west-1",
        "version": "0.1.0",
        "maxRetries": "5",
        "skipCredentialsValidation": "true",
        "defaultTags": r#"{"tags": {"team": "video"}}"#,
        "allowedAccountIds": r#"["123456789012"]"#,
    });
    let typed = json!({
        "region": "eu-west-1",
        "version": "0.1.0",
        "maxRetries": 5,
        "skipCredentialsValidation": true,
        "defaultTags": { "tags": { "team": "video" } },
        "allowedAccountIds": ["123456789012"],
    });
    for news in [&text, &typed] {
        let checked = check_config(&mut plugin, news.clone()).await;
        assert_eq!(checked.failures, []);
        assert_eq!(read(checked.inputs), read(props(news.clone())), "settings come back as they came");
    }
    let same = diff_config(&mut plugin, text, typed).await;
    assert_eq!(same.changes(), rpc::diff_response::DiffChanges::DiffNone);
}

#[tokio::test]
async fn no_setting_replaces_the_provider() {
    let mut plugin = Plugin::start(UNREACHABLE).await;
    let old = json!({ "region": "eu-west-1", "profile": "a", "accessKey": "x", "version": "0.1.0", "maxRetries": 3 });
    let new = json!({ "region": "eu-west-1", "profile": "b", "accessKey": "y", "version": "0.2.0", "maxRetries": 4 });
    let changed = diff_config(&mut plugin, old.clone(), new).await;
    assert!(changed.replaces.is_empty() && changed.changes() == rpc::diff_response::DiffChanges::DiffSome);
    let mut new = old.clone();
    new["region"] = json!("eu-west-2");
    let moved = diff_config(&mut plugin, old, new).await;
    assert!(
        moved.replaces.is_empty() && moved.diffs.contains(&"region".to_owned()),
        "what is in a region tells by itself that it moves"
    );
}

#[tokio::test]
async fn every_wrong_setting_is_told_and_no_secret() {
    let mut plugin = Plugin::start(UNREACHABLE).await;
    let checked = check_config(&mut plugin, json!({ "regoin": "x", "maxRetries": "many", "secretKey": ["hush"] })).await;
    let text = told(&checked.failures).join("\n");
    assert!(text.contains("regoin is not a property here; did you mean region?"), "{text}");
    assert!(text.contains("is text, not a whole number"), "{text}");
    assert!(text.contains("secretKey is a list, not text") && !text.contains("hush"), "{text}");
    let inputs = read(check_config(&mut plugin, json!({ "secretKey": "hush" })).await.inputs);
    assert_eq!(inputs["maxRetries"], Value::Number(10.0), "YAML leaves defaults to the provider");
    assert_eq!(inputs["secretKey"], Value::String("hush".into()).secret());
    assert_eq!(inputs["region"].as_str(), Some("eu-central-1"), "the environment's region becomes a setting");
}

#[tokio::test]
async fn without_a_region_the_error_says_how_to_set_one() {
    let mut process = Plugin::command(&[]);
    process.env("HOME", "/nonexistent");
    let mut plugin = Plugin::start_in(process).await;
    let checked = check_config(&mut plugin, json!({})).await;
    assert_eq!(
        checked.failures[0].reason,
        "no AWS region is set: run `pulumi config set fargate:region <region>`, or set AWS_REGION"
    );
    let refused =
        plugin.client.configure(rpc::ConfigureRequest { args: props(json!({})), ..Default::default() }).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(String::from_utf8_lossy(refused.details()).contains("fargate:region"));
}

#[tokio::test]
async fn nothing_works_before_configure_but_what_needs_no_aws() {
    let mut plugin = Plugin::start(UNREACHABLE).await;
    assert!(plugin.check(URN, cluster()).await.failures.is_empty());
    let request = rpc::CreateRequest { urn: URN.to_owned(), properties: props(cluster()), ..Default::default() };
    assert_eq!(plugin.client.create(request).await.unwrap_err().code(), Code::FailedPrecondition);
    let schema = plugin.client.get_schema(rpc::GetSchemaRequest::default()).await.unwrap().into_inner().schema;
    assert_eq!(schema, include_str!("../../schema.json"));
    let refused = plugin.client.get_schema(rpc::GetSchemaRequest { version: 1, ..Default::default() }).await.unwrap_err();
    assert_eq!(refused.message(), "unsupported schema version 1");
    assert_eq!(plugin.client.parameterize(rpc::ParameterizeRequest::default()).await.unwrap_err().code(), Code::Unimplemented);
    plugin.client.get_mapping(rpc::GetMappingRequest::default()).await.unwrap();
    plugin.client.get_mappings(rpc::GetMappingsRequest::default()).await.unwrap();
}

#[tokio::test]
async fn an_aws_out_of_reach_is_one_error_in_full() {
    let mut plugin = Plugin::configured(UNREACHABLE).await;
    let mut texts = Vec::new();
    for _ in 0..3 {
        let request = rpc::CreateRequest { urn: URN.to_owned(), properties: props(cluster()), ..Default::default() };
        texts.push(plugin.client.create(request).await.unwrap_err().message().to_owned());
    }
    assert!(
        texts[0].starts_with("cannot reach AWS at http://127.0.0.1:1\n") && texts[0].contains("AWS_ENDPOINT_URL"),
        "{texts:?}"
    );
    assert_eq!(texts[1..], ["skipped, access to AWS failed earlier: cannot reach AWS at http://127.0.0.1:1"; 2]);
}

#[tokio::test]
async fn an_account_that_is_not_allowed_is_left_alone() {
    let aws = FakeAws::answering(|_, _| (500, json!({}))).await;
    let mut plugin = Plugin::start(&aws.url).await;
    plugin.configure(json!({ "allowedAccountIds": ["999999999999"] })).await;
    let request = rpc::CreateRequest { urn: URN.to_owned(), properties: props(cluster()), ..Default::default() };
    let refused = plugin.client.create(request).await.unwrap_err();
    assert_eq!(refused.message(), "the credentials are of account 123456789012; fargate:allowedAccountIds allows 999999999999");
    assert_eq!(aws.calls(), ["GetCallerIdentity"]);
}

#[tokio::test]
async fn a_profile_that_does_not_exist_is_told_though_keys_come_before_it() {
    let (aws, engine) =
        (FakeAws::answering(|_, _| (400, json!({ "__type": "ClientException" }))).await, FakeEngine::start().await);
    let files = std::env::temp_dir().join(format!("fargate-profiles-{}", std::process::id()));
    std::fs::write(&files, "[profile dev]\nregion = eu-west-1\n").unwrap();
    let mut said = Vec::new();
    for (profile, settings) in [
        ("dve", json!({})),
        ("dev", json!({})),
        ("default", json!({})),
        ("dev", json!({ "profile": "pord", "accessKey": "key", "secretKey": "secret" })),
    ] {
        let mut command = Plugin::command(&[&engine.address]);
        command
            .envs([("AWS_ENDPOINT_URL", &*aws.url), ("AWS_REGION", "eu-central-1"), ("AWS_PROFILE", profile)])
            .envs([("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")])
            .env("AWS_CONFIG_FILE", &files);
        let mut plugin = Plugin::start_in(command).await;
        plugin.configure(settings).await;
        let request = rpc::CreateRequest { urn: URN.to_owned(), properties: props(cluster()), ..Default::default() };
        let refused = plugin.client.create(request).await.unwrap_err();
        assert!(!refused.message().contains("access to AWS"), "{}", refused.message());
        let is_warning = |it: &rpc::LogRequest| it.severity == i32::from(rpc::LogSeverity::Warning);
        said.push(engine.lines().into_iter().filter(is_warning).map(|it| it.message).collect::<Vec<_>>());
    }
    std::fs::remove_file(&files).unwrap();
    assert!(aws.count("GetCallerIdentity") == 4, "the SDK takes the keys");
    assert_eq!(said.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1, 2]);
    assert!(
        said[3][0].starts_with("profile dve is not in the AWS configuration files, so AWS_PROFILE has no effect"),
        "{said:?}"
    );
    assert!(said[3][0].contains("in AWS_ACCESS_KEY_ID") && said[3][0].contains("did you mean dev?"), "{said:?}");
    assert!(said[3][1].contains("fargate:profile has no effect") && said[3][1].contains("fargate:accessKey"), "{said:?}");
}
