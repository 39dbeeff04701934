//! Lists: pages of AWS, pages of the caller, and what goes wrong in between.

use std::{
    sync::{Mutex, mpsc},
    time::{Duration, Instant},
};

use pulumi_provider::rpc::{self, list_response::Response};
use serde_json::{Value as Json, json};
use tokio::time::timeout;
use tonic::{Code, Status};

use super::UNREACHABLE;
use crate::support::{FakeAws, Plugin, props};

const SOON: Duration = Duration::from_secs(10);

fn asked(query: Json) -> rpc::ListRequest {
    rpc::ListRequest { token: "fargate:index:LogGroup".to_owned(), query: props(query), ..Default::default() }
}

/// A page of log groups.
fn page(names: &[&str], next: Option<&str>) -> (u16, Json) {
    let groups: Vec<_> = names.iter().map(|it| json!({ "logGroupName": it })).collect();
    (200, json!({ "logGroups": groups, "nextToken": next }))
}

/// An AWS that has log groups a to e, in pages of three, whatever it is asked for.
async fn pages_of_three() -> FakeAws {
    FakeAws::answering_what_is_asked(|_, request| match request["nextToken"].as_str() {
        None => page(&["a", "b", "c"], Some("second/page")),
        Some("second/page") => page(&["d", "e"], Some("third")),
        // AWS may know only then that there is no more.
        _ => page(&[], None),
    })
    .await
}

/// The ids of one call, and where to go on.
async fn call(plugin: &mut Plugin, request: rpc::ListRequest) -> Result<(Vec<String>, Option<String>), Status> {
    let mut steps = plugin.client.list(request).await?.into_inner();
    let (mut ids, mut more) = (Vec::new(), None);
    while let Some(step) = steps.message().await? {
        assert!(more.is_none(), "something comes after the continuation");
        match step.response.expect("a response") {
            Response::Result(it) => ids.push(it.id),
            Response::Continuation(it) => more = Some(it.continuation_token),
            Response::Computed(_) => panic!("all is known"),
        }
    }
    Ok((ids, more))
}

async fn refusal(plugin: &mut Plugin, request: rpc::ListRequest) -> Status {
    call(plugin, request).await.expect_err("a refusal")
}

#[tokio::test]
async fn a_limit_in_the_midst_of_a_page_loses_nothing() {
    let aws = pages_of_three().await;
    let mut plugin = Plugin::configured(&aws.url).await;
    for limit in 1..=6 {
        let (mut ids, mut token) = (Vec::new(), String::new());
        loop {
            let request = rpc::ListRequest { limit, continuation_token: token, ..asked(json!({})) };
            let (page, more) = call(&mut plugin, request).await.unwrap();
            assert!(page.len() <= usize::try_from(limit).unwrap());
            ids.extend(page);
            let Some(more) = more else { break };
            assert!(ids.len() < 5, "limit {limit} tells of more after the last");
            token = more;
        }
        assert_eq!(ids, ["a", "b", "c", "d", "e"], "limit {limit}");
    }
}

#[tokio::test]
async fn a_page_is_as_large_as_the_caller_wants() {
    let aws = pages_of_three().await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let sized = |page_size, limit| rpc::ListRequest { page_size, limit, ..asked(json!({ "namePrefix": "/video" })) };
    let (ids, more) = call(&mut plugin, sized(4, 0)).await.unwrap();
    assert!(ids == ["a", "b", "c", "d"] && more.is_some());
    let (ids, more) = call(&mut plugin, sized(4, 2)).await.unwrap();
    assert!(ids == ["a", "b"] && more.is_some());
    assert_eq!(call(&mut plugin, sized(0, -1)).await.unwrap(), (["a", "b", "c", "d", "e"].map(str::to_owned).to_vec(), None));
    assert_eq!(call(&mut plugin, sized(1000, 0)).await.unwrap().1, None);

    // AWS was told as well, within what it takes.
    let requests = aws.requests("DescribeLogGroups");
    assert!(requests.iter().all(|it| it["logGroupNamePrefix"] == "/video"));
    assert_eq!((&requests[0]["limit"], &requests[0]["nextToken"]), (&json!(4), &Json::Null));
    assert_eq!(requests[1]["nextToken"], "second/page");
    assert_eq!(requests.last().unwrap()["limit"], 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn results_come_before_the_next_page_of_aws() {
    let (open, gate) = mpsc::channel();
    let gate = Mutex::new(gate);
    let aws = FakeAws::answering(move |_, n| {
        if n == 1 {
            return page(&["a", "b"], Some("next"));
        }
        tokio::task::block_in_place(|| gate.lock().unwrap().recv().unwrap());
        page(&["c"], None)
    })
    .await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let mut steps = plugin.client.list(asked(json!({}))).await.unwrap().into_inner();
    for id in ["a", "b"] {
        let step = timeout(SOON, steps.message()).await.expect("the first page comes alone").unwrap().unwrap();
        assert_eq!(step.response, Some(Response::Result(rpc::list_response::Result { id: id.to_owned(), name: id.to_owned() })));
    }
    open.send(()).unwrap();
    let step = steps.message().await.unwrap().unwrap();
    assert!(matches!(step.response, Some(Response::Result(it)) if it.id == "c"));
    assert!(steps.message().await.unwrap().is_none());
}

#[tokio::test]
async fn cancel_stops_a_list() {
    let aws = FakeAws::answering(|_, _| page(&[], None)).await.pausing_at("DescribeLogGroups", Duration::from_mins(1));
    let mut plugin = Plugin::configured(&aws.url).await;
    let mut steps = plugin.client.list(asked(json!({}))).await.unwrap().into_inner();
    let started = Instant::now();
    while aws.count("DescribeLogGroups") == 0 {
        assert!(started.elapsed() < SOON, "AWS is not asked");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    plugin.client.cancel(()).await.unwrap();
    let error = timeout(SOON, steps.message()).await.expect("an end").unwrap_err();
    assert_eq!(error.message(), "cancelled before AWS answered");
}

#[tokio::test]
async fn what_aws_refuses_later_comes_after_what_it_gave() {
    let aws = FakeAws::answering(|_, n| match n {
        1 => page(&["a"], Some("next")),
        _ => (400, json!({ "__type": "InvalidParameterException", "message": "The token has expired." })),
    })
    .await;
    let mut plugin = Plugin::configured(&aws.url).await;
    let mut steps = plugin.client.list(asked(json!({}))).await.unwrap().into_inner();
    assert!(steps.message().await.unwrap().is_some());
    let error = steps.message().await.unwrap_err();
    assert_eq!(error.message(), "DescribeLogGroups: InvalidParameterException: The token has expired");
}

#[tokio::test]
async fn says_what_is_wrong_before_it_calls_anyone() {
    let mut plugin = Plugin::start(UNREACHABLE).await;
    let error = refusal(&mut plugin, asked(json!({}))).await;
    assert_eq!((error.code(), error.message()), (Code::FailedPrecondition, "the provider is not configured yet"));

    plugin.configure(json!({})).await;
    for token in ["fargate:index:Bucket", "aws:s3:LogGroup", "", "LogGroup"] {
        let error = refusal(&mut plugin, rpc::ListRequest { token: token.to_owned(), ..asked(json!({})) }).await;
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().starts_with(&format!("there is no resource {token:?}")), "{error}");
    }
    let error = refusal(&mut plugin, asked(json!({ "prefix": "/video", "region": "moon" }))).await;
    assert_eq!(error.code(), Code::InvalidArgument);
    assert_eq!(
        error.message(),
        "the query for a list of LogGroup: prefix is not a property here; did you mean namePrefix?; \
         region is \"moon\", which is not a region such as eu-central-1"
    );
    let services = rpc::ListRequest { token: "fargate:index:Service".to_owned(), ..asked(json!({ "cluster": null })) };
    let error = refusal(&mut plugin, services).await;
    assert_eq!(error.message(), "the query for a list of Service: cluster is required");

    for token in ["garbage", "Cluster/0/next"] {
        let request = rpc::ListRequest { continuation_token: token.to_owned(), ..asked(json!({})) };
        let error = refusal(&mut plugin, request).await;
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().contains(token) && error.message().contains("a list of LogGroup"), "{error}");
    }
}

#[tokio::test]
async fn a_query_that_is_not_known_yet_has_no_answer_yet() {
    let mut plugin = Plugin::start(UNREACHABLE).await;
    plugin.configure(json!({})).await;
    let query = json!({ "namePrefix": "04da6b54-80e4-46f7-96ec-b56ff0331ba9" });
    let mut steps = plugin.client.list(asked(query)).await.unwrap().into_inner();
    assert!(matches!(steps.message().await.unwrap().unwrap().response, Some(Response::Computed(_))));
    assert!(steps.message().await.unwrap().is_none());
}
