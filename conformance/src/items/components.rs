//! H. Components: what Construct registers with the engine, and what it makes of the answers.

use std::{
    collections::{BTreeSet, HashMap},
    fmt::Debug,
    time::Duration,
};

use serde_json::{Value as Json, json};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tonic::{Code, Response, Status};

use crate::{
    detail::detail,
    item::{Item, Outcome, Stop, expect, expect_none, failed, not_applicable},
    monitor::{Children, Monitor, Told, flat_map, urn_of},
    provider::Provider,
    rpc::{self, InputPropertiesError, construct_request, register_resource_request},
    run::{Run, STACK_URN},
    samples::ComponentSample,
    schema::{Entry, as_sent},
    value::{
        Map, OUTPUT, SIGNATURE, differences, from_struct, is_secret, is_unknown, plain, plain_map, secrets, signature, to_proto,
        walk,
    },
};

pub(super) const ITEMS: &[Item] = &[
    Item {
        number: 126,
        title: "the component is registered as the program says, with every option",
        check: |run| Box::pin(forwards(run)),
    },
    Item { number: 127, title: "options that the program does not set stay unset", check: |run| Box::pin(leaves_unset(run)) },
    Item { number: 128, title: "RegisterResourceOutputs is called once", check: |run| Box::pin(finishes_once(run)) },
    Item {
        number: 129,
        title: "children are below the component, have its name before theirs, and are the same each time",
        check: |run| Box::pin(names_children(run)),
    },
    Item { number: 130, title: "children are served by the same provider instance", check: |run| Box::pin(pins_provider(run)) },
    Item {
        number: 131,
        title: "inputs that are not known yet stay so in children and outputs",
        check: |run| Box::pin(keeps_unknown(run)),
    },
    Item { number: 132, title: "secret inputs stay secret in children and outputs", check: |run| Box::pin(keeps_secret(run)) },
    Item { number: 133, title: "outputs tell which resources they come from", check: |run| Box::pin(tells_dependencies(run)) },
    Item { number: 134, title: "wrong inputs are told one by one, without secrets", check: |run| Box::pin(refuses_inputs(run)) },
    Item {
        number: 135,
        title: "transforms, protect, retainOnDelete and the like take effect on children too",
        check: |run| Box::pin(takes_effect(run)),
    },
    Item { number: 136, title: "Construct ends when a child fails or is skipped", check: |run| Box::pin(survives_children(run)) },
    Item { number: 137, title: "Construct ends when the engine goes away", check: |run| Box::pin(survives_engine(run)) },
];

/// How long Construct may take when nothing holds it up.
const LIMIT: Duration = Duration::from_secs(10);
/// A resource that the program has besides.
const OTHER_URN: &str = "urn:pulumi:dev::conformance::other:index:Thing::other";

/// A component that was constructed.
struct Constructed {
    told: Told,
    urn: String,
    /// Its outputs, with the dependencies in them.
    state: Map,
    dependencies: HashMap<String, Vec<String>>,
}

/// One component of the samples, in a provider of its own.
struct Subjected<'a> {
    run: &'a Run,
    sample: &'a ComponentSample,
    entry: Entry<'a>,
    /// As a host sends them.
    inputs: Map,
    provider: Provider,
}

/// Every component that there is a sample of.
async fn components(run: &Run) -> Outcome<Vec<Subjected<'_>>> {
    let mut all = Vec::new();
    for (sample, entry) in run.components()? {
        // They may refer to resources, if there are samples of some.
        let inputs = match run.lives().await {
            Ok(lives) => lives.fill_in(&sample.inputs)?,
            Err(Stop::NotApplicable(_)) => sample.inputs.clone(),
            Err(stop) => return Err(stop),
        };
        let inputs = as_sent(&inputs, entry.inputs());
        all.push(Subjected { run, sample, entry, inputs, provider: run.configured().await? });
    }
    Ok(all)
}

impl Subjected<'_> {
    fn monitor(&self, children: Children) -> Outcome<Monitor> {
        Ok(Monitor::start(self.run.schema()?, children)?)
    }

    /// Constructs it with inputs and options of the program.
    async fn construct(
        &self,
        children: Children,
        inputs: &Map,
        options: impl FnOnce(&mut rpc::ConstructRequest),
    ) -> Outcome<Result<Constructed, Status>> {
        let monitor = self.monitor(children)?;
        let mut request = monitor.construct(self.entry.token, "pair", inputs);
        options(&mut request);
        let mut client = self.provider.client.clone();
        let Ok(answer) = timeout(LIMIT, client.construct(request)).await else {
            return failed(format!("Construct of {} to end", self.entry.token), format!("nothing within {LIMIT:?}"));
        };
        Ok(answer.map(Response::into_inner).map(|it| Constructed {
            told: monitor.told(),
            urn: it.urn,
            state: from_struct(it.state.as_ref()),
            dependencies: it.state_dependencies.into_iter().map(|(name, it)| (name, it.urns)).collect(),
        }))
    }

    /// Constructs it with its good inputs, which has to succeed.
    async fn constructed(&self) -> Outcome<Constructed> {
        self.construct_well(Children::Made, &self.inputs, |_| {}).await
    }

    async fn construct_well(
        &self,
        children: Children,
        inputs: &Map,
        options: impl FnOnce(&mut rpc::ConstructRequest),
    ) -> Outcome<Constructed> {
        let constructed = self.construct(children, inputs, options).await?;
        constructed.or_else(|status| failed(format!("Construct of {} to succeed", self.entry.token), status.message()))
    }

    /// The component, as it was registered.
    fn registered<'b>(&self, told: &'b Told) -> Outcome<&'b rpc::RegisterResourceRequest> {
        let found = told.component(self.entry.token);
        found.map_or_else(|| failed(format!("the component {} to be registered", self.entry.token), "it is not"), Ok)
    }

    /// The children that it registered; not applicable if it has none.
    fn children<'b>(&self, told: &'b Told) -> Outcome<Vec<&'b rpc::RegisterResourceRequest>> {
        let children = told.children(self.entry.token);
        if children.is_empty() {
            return not_applicable(format!("{} registers no children", self.entry.token));
        }
        Ok(children)
    }

    /// The input that the samples say reaches a child, and its text.
    fn passed_on(&self) -> Outcome<(&str, String)> {
        let Some(name) = &self.sample.passed_on else {
            return not_applicable(format!(
                "the sample of {} names no input that reaches a child (`passedOn`)",
                self.entry.token
            ));
        };
        let value = self.inputs.get(name).map(plain).unwrap_or_default();
        match value.as_str().filter(|it| it.len() > 3) {
            Some(text) => Ok((name, text.to_owned())),
            None => not_applicable(format!("the input {name} of {} is no text of four letters or more", self.entry.token)),
        }
    }
}

/// A value as a host sends it that knows output values.
fn output(value: Option<&Json>, secret: bool) -> Json {
    let mut output = json!({ SIGNATURE: OUTPUT, "dependencies": [OTHER_URN] });
    if let Some(value) = value {
        output["value"] = value.clone();
    }
    if secret {
        output["secret"] = json!(true);
    }
    output
}

/// Every option that a program can set.
fn with_options(request: &mut rpc::ConstructRequest) {
    use rpc::{Alias, alias};
    let names = |it: &str| vec![format!("{it}-1"), format!("{it}-2")];
    request.protect = Some(true);
    request.retain_on_delete = Some(true);
    request.delete_before_replace = Some(true);
    request.dependencies = vec![OTHER_URN.to_owned()];
    request.input_dependencies = request
        .inputs
        .iter()
        .flat_map(|it| it.fields.keys())
        .map(|name| (name.clone(), construct_request::PropertyDependencies { urns: vec![OTHER_URN.to_owned()] }))
        .collect();
    request.providers = [("other".to_owned(), "urn:pulumi:dev::conformance::pulumi:providers:other::p::1".to_owned())].into();
    request.additional_secret_outputs = vec!["hushed".to_owned()];
    request.custom_timeouts = Some(construct_request::CustomTimeouts {
        create: "11m".to_owned(),
        update: "12m".to_owned(),
        delete: "13m".to_owned(),
        ..Default::default()
    });
    request.deleted_with = OTHER_URN.into();
    request.ignore_changes = vec!["ignored".to_owned(), "nested.ignored".to_owned()];
    request.replace_on_changes = vec!["replacing".to_owned()];
    request.resource_hooks = Some(construct_request::ResourceHooksBinding {
        before_create: names("before-create"),
        after_create: names("after-create"),
        before_update: names("before-update"),
        after_update: names("after-update"),
        before_delete: names("before-delete"),
        after_delete: names("after-delete"),
        ..Default::default()
    });
    request.stack_trace_handle = "a-stack-trace".into();
    request.replace_with = vec![OTHER_URN.to_owned()];
    request.aliases = vec![
        Alias { alias: Some(alias::Alias::Urn(OTHER_URN.replace("other", "former"))) },
        Alias {
            alias: Some(alias::Alias::Spec(alias::Spec {
                name: "former".to_owned(),
                parent: Some(alias::spec::Parent::NoParent(true)),
                ..Default::default()
            })),
        },
    ];
    request.replacement_trigger = Some(to_proto(&json!({ "since": "today" })));
}

/// Notes an option that did not arrive as it was sent.
fn same<T: PartialEq + Debug>(wrong: &mut Vec<String>, option: &str, sent: &T, registered: &T) {
    if sent != registered {
        wrong.push(format!("{option} is {registered:?} instead of {sent:?}"));
    }
}

async fn forwards(run: &Run) -> Outcome {
    for it in components(run).await? {
        let monitor = it.monitor(Children::Made)?;
        let mut sent = monitor.construct(it.entry.token, "pair", &it.inputs);
        with_options(&mut sent);
        let constructed = it.construct_well(Children::Made, &it.inputs, with_options).await?;
        let registered = it.registered(&constructed.told)?;
        let mut wrong = Vec::new();
        same(&mut wrong, "type", &sent.r#type, &registered.r#type);
        same(&mut wrong, "name", &sent.name, &registered.name);
        same(&mut wrong, "parent", &sent.parent, &registered.parent);
        let [inputs, object] = [&sent.inputs, &registered.object].map(|it| flat_map(&from_struct(it.as_ref())));
        wrong.extend(differences(&inputs, &object).into_iter().map(|it| format!("the input {it}")));
        same(&mut wrong, "protect", &sent.protect, &registered.protect);
        same(&mut wrong, "retainOnDelete", &sent.retain_on_delete, &registered.retain_on_delete);
        let replaces = registered.delete_before_replace_defined.then_some(registered.delete_before_replace);
        same(&mut wrong, "deleteBeforeReplace", &sent.delete_before_replace, &replaces);
        same(&mut wrong, "dependsOn", &sent.dependencies, &registered.dependencies);
        for (name, depends) in &sent.input_dependencies {
            let urns = registered.property_dependencies.get(name).map(|it| &it.urns);
            same(&mut wrong, &format!("what {name} depends on"), &Some(&depends.urns), &urns);
        }
        same(&mut wrong, "providers", &sent.providers, &registered.providers);
        same(&mut wrong, "additionalSecretOutputs", &sent.additional_secret_outputs, &registered.additional_secret_outputs);
        let sent_timeouts = sent.custom_timeouts.clone().map(|it| [it.create, it.update, it.delete, it.read]);
        let timeouts = registered.custom_timeouts.clone().map(|it| [it.create, it.update, it.delete, it.read]);
        same(&mut wrong, "customTimeouts", &sent_timeouts, &timeouts);
        same(&mut wrong, "deletedWith", &sent.deleted_with, &registered.deleted_with);
        same(&mut wrong, "ignoreChanges", &sent.ignore_changes, &registered.ignore_changes);
        same(&mut wrong, "replaceOnChanges", &sent.replace_on_changes, &registered.replace_on_changes);
        same(&mut wrong, "hooks", &sent_hooks(&sent), &hooks(registered));
        same(&mut wrong, "the stack trace's handle", &sent.stack_trace_handle, &registered.parent_stack_trace_handle);
        same(&mut wrong, "replaceWith", &sent.replace_with, &registered.replace_with);
        same(&mut wrong, "aliases", &sent.aliases, &registered.aliases);
        same(&mut wrong, "replacementTrigger", &sent.replacement_trigger, &registered.replacement_trigger);
        same(&mut wrong, "remote", &false, &registered.remote);
        same(&mut wrong, "aliasSpecs", &true, &registered.alias_specs);
        same(&mut wrong, "acceptSecrets", &true, &registered.accept_secrets);
        same(&mut wrong, "acceptResources", &true, &registered.accept_resources);
        expect_none(wrong, format!("{} to be registered with all that Construct was told", it.entry.token))?;
    }
    Ok(())
}

fn sent_hooks(request: &rpc::ConstructRequest) -> [Vec<String>; 6] {
    let it = request.resource_hooks.clone().unwrap_or_default();
    [it.before_create, it.after_create, it.before_update, it.after_update, it.before_delete, it.after_delete]
}

fn hooks(request: &rpc::RegisterResourceRequest) -> [Vec<String>; 6] {
    let it: register_resource_request::ResourceHooksBinding = request.hooks.clone().unwrap_or_default();
    [it.before_create, it.after_create, it.before_update, it.after_update, it.before_delete, it.after_delete]
}

async fn leaves_unset(run: &Run) -> Outcome {
    for it in components(run).await? {
        for value in [None, Some(false)] {
            let constructed = it
                .construct_well(Children::Made, &it.inputs, |request| {
                    request.protect = value;
                    request.retain_on_delete = value;
                    request.delete_before_replace = value;
                })
                .await?;
            let registered = it.registered(&constructed.told)?;
            let mut wrong = Vec::new();
            same(&mut wrong, "protect", &value, &registered.protect);
            same(&mut wrong, "retainOnDelete", &value, &registered.retain_on_delete);
            let replaces = registered.delete_before_replace_defined.then_some(registered.delete_before_replace);
            same(&mut wrong, "deleteBeforeReplace", &value, &replaces);
            expect_none(wrong, "what is unset to stay so, and what is false to stay false: unset is inherited")?;
        }
    }
    Ok(())
}

async fn finishes_once(run: &Run) -> Outcome {
    for it in components(run).await? {
        for children in [Children::Made, Children::Foreseen] {
            let constructed = it.construct_well(children, &it.inputs, |_| {}).await?;
            let urn = urn_of(it.registered(&constructed.told)?);
            expect(constructed.urn == urn, format!("the URN that the engine gave, {urn}, in the answer"), &constructed.urn)?;
            let finished = constructed.told.outputs.iter().filter(|it| it.urn == urn).count();
            expect(finished == 1, format!("RegisterResourceOutputs of {urn} once"), format!("{finished} times"))?;
        }
    }
    Ok(())
}

async fn names_children(run: &Run) -> Outcome {
    for it in components(run).await? {
        let [first, second] = [it.constructed().await?, it.constructed().await?];
        let urns = |told: &Told| told.registered.iter().map(urn_of).collect::<BTreeSet<_>>();
        let known = urns(&first.told);
        let mut wrong = Vec::new();
        for child in it.children(&first.told)? {
            if !known.contains(&child.parent) || child.parent == STACK_URN {
                wrong.push(format!("{} is below {:?}", child.name, child.parent));
            }
            if !child.name.starts_with("pair-") {
                wrong.push(format!("{} has not the name of the component, `pair-`, before its own", child.name));
            }
        }
        expect_none(wrong, "children below the component, whose names no other component's children can have")?;
        let list = |urns: BTreeSet<String>| urns.into_iter().collect::<Vec<_>>().join(", ");
        let (again, known) = (list(urns(&second.told)), list(known));
        expect(again == known, format!("the same children each time: {known}"), again)?;
    }
    Ok(())
}

async fn pins_provider(run: &Run) -> Outcome {
    let package = run.schema()?.package();
    let configured = run.configure_request(&Map::new());
    let own = format!("{}::{}", configured.urn(), configured.id());
    let given = format!("urn:pulumi:dev::conformance::pulumi:providers:{package}::given::3c7a1f52-7a51-4f0e-8a5e-0c1f1f2d9b10");
    for it in components(run).await? {
        for (providers, expected) in [(None, &own), (Some(&given), &given)] {
            let providers = providers.map(|it| (package.to_owned(), it.clone()));
            let constructed = it
                .construct_well(Children::Made, &it.inputs, |request| request.providers = providers.into_iter().collect())
                .await?;
            let ours = it.children(&constructed.told)?.into_iter().filter(|it| it.r#type.split(':').next() == Some(package));
            let mut wrong = Vec::new();
            for child in ours {
                // Without any word of it, the engine takes the parent's; without that, the default one of no version.
                let inherits = child.provider.is_empty() && (expected == &given || child.version.is_empty());
                if child.provider != *expected && !inherits {
                    wrong.push(format!("{} asks for {:?}, version {:?}", child.name, child.provider, child.version));
                }
            }
            expect_none(wrong, format!("children with the provider {expected}, as any other starts one more process"))?;
        }
    }
    Ok(())
}

async fn keeps_unknown(run: &Run) -> Outcome {
    for it in components(run).await? {
        let unknown: Map = it.inputs.iter().map(|(name, value)| (name.clone(), output(None, is_secret(value)))).collect();
        let foreseen = it.construct_well(Children::Foreseen, &unknown, |_| {}).await?;
        let real = it.constructed().await?;
        let passed_on = it.passed_on().ok();
        let mut invented = Vec::new();
        for (child, now) in it.children(&real.told)?.iter().zip(it.children(&foreseen.told)?) {
            let [real, now] = [child, now].map(|it| from_struct(it.object.as_ref()));
            for (name, value) in real.iter().filter(|(_, it)| holds(it, passed_on.as_ref().map(|it| it.1.as_str()))) {
                if !now.get(name).is_some_and(holds_unknown) {
                    invented.push(format!("{}.{name} is {} instead", child.name, now.get(name).unwrap_or(value)));
                }
            }
        }
        for (name, value) in &real.state {
            let children = it.children(&real.told)?;
            let depends = holds(value, passed_on.as_ref().map(|it| it.1.as_str()))
                || children.iter().any(|it| holds(value, Some(&format!("-of-{}", it.name))));
            if depends && foreseen.state.get(name).is_some_and(|it| !holds_unknown(it)) {
                invented.push(format!("the output {name} is known"));
            }
        }
        expect_none(invented, format!("what {} makes of unknown inputs to be unknown", it.entry.token))?;
    }
    Ok(())
}

/// Whether this text is somewhere in a value.
fn holds(value: &Json, text: Option<&str>) -> bool {
    text.is_some_and(|text| plain(value).to_string().contains(text))
}

fn holds_unknown(value: &Json) -> bool {
    is_unknown(value) || !crate::value::unknowns(&Map::from_iter([("it".to_owned(), plain(value))])).is_empty()
}

async fn keeps_secret(run: &Run) -> Outcome {
    for it in components(run).await? {
        let (name, text) = it.passed_on()?;
        for secret in [crate::value::secret(&json!(text)), output(Some(&json!(text)), true)] {
            let mut inputs = it.inputs.clone();
            inputs.insert(name.to_owned(), secret);
            let constructed = it.construct_well(Children::Made, &inputs, |_| {}).await?;
            let objects = constructed.told.registered.iter().map(|it| (it.name.as_str(), from_struct(it.object.as_ref())));
            let outputs = constructed.told.outputs.iter().map(|it| ("the registered outputs", from_struct(it.outputs.as_ref())));
            let mut bare = Vec::new();
            let mut reached = false;
            for (place, object) in objects.chain(outputs).chain([("the answer", constructed.state.clone())]) {
                walk(&object, &mut |path, value, secret| {
                    if value.as_str().is_some_and(|it| it.contains(&text)) {
                        reached |= place != "pair";
                        if !secret {
                            bare.push(format!("{path} in {place}"));
                        }
                    }
                });
            }
            expect_none(bare, format!("the secret input {name} to be secret wherever it goes; not secret"))?;
            expect(reached, format!("the input {name} to reach a child, as the samples say"), "it in none")?;
        }
    }
    Ok(())
}

async fn tells_dependencies(run: &Run) -> Outcome {
    let mut looked_at = 0;
    for it in components(run).await? {
        for accepts in [true, false] {
            let constructed =
                it.construct_well(Children::Made, &it.inputs, |request| request.accepts_output_values = accepts).await?;
            let mut silent = Vec::new();
            for (name, value) in &constructed.state {
                let mut told: BTreeSet<_> = constructed.dependencies.get(name).into_iter().flatten().cloned().collect();
                if !accepts && holds_outputs(value) {
                    silent.push(format!("{name} is an output value, which this engine does not take"));
                }
                told.extend(dependencies(value));
                for child in it.children(&constructed.told)?.iter().filter(|it| holds(value, Some(&format!("-of-{}", it.name)))) {
                    looked_at += 1;
                    if !told.contains(&urn_of(child)) {
                        silent.push(format!("{name} comes from {} and does not tell", child.name));
                    }
                }
            }
            let how = if accepts { "in output values or stateDependencies" } else { "in stateDependencies" };
            expect_none(silent, format!("outputs of {} to tell the URNs of what they come from, {how}", it.entry.token))?;
        }
    }
    if looked_at == 0 {
        return not_applicable("no output of a component comes from a child");
    }
    Ok(())
}

/// The URNs that the output values in a value tell.
fn dependencies(value: &Json) -> BTreeSet<String> {
    let mut found: BTreeSet<_> = match value {
        Json::Array(items) => items.iter().flat_map(dependencies).collect(),
        Json::Object(map) => map.values().flat_map(dependencies).collect(),
        _ => BTreeSet::new(),
    };
    if signature(value) == Some(OUTPUT) {
        found.extend(value["dependencies"].as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_owned));
    }
    found
}

fn holds_outputs(value: &Json) -> bool {
    match value {
        _ if signature(value) == Some(OUTPUT) => true,
        Json::Array(items) => items.iter().any(holds_outputs),
        Json::Object(map) => map.values().any(holds_outputs),
        _ => false,
    }
}

async fn refuses_inputs(run: &Run) -> Outcome {
    let mut looked_at = 0;
    for it in components(run).await? {
        let Some(invalid) = &it.sample.invalid else { continue };
        looked_at += 1;
        let expected = format!("INVALID_ARGUMENT with InputPropertiesError from Construct of {}", it.entry.token);
        let inputs = plain_map(&crate::value::overlay(&it.inputs, invalid));
        let refused = it.construct(Children::Made, &inputs, |_| {}).await?;
        let Err(status) = refused else { return failed(expected, "success") };
        expect(status.code() == Code::InvalidArgument, &expected, format!("{:?}: {}", status.code(), status.message()))?;
        let Some(errors) = detail::<InputPropertiesError>(&status, "InputPropertiesError")? else {
            return failed(expected, format!("no such detail: {}", status.message()));
        };
        let named = errors.errors.iter().all(|it| !it.property_path.is_empty() && !it.reason.is_empty());
        expect(named && !errors.errors.is_empty(), "a path and a reason of each mistake", format!("{:?}", errors.errors))?;

        let inputs = crate::value::each_secret(&inputs);
        let hidden = it.construct(Children::Made, &inputs, |_| {}).await?;
        let Err(status) = hidden else { return failed(expected, "success, with secret inputs") };
        let shown = secrets(&inputs).into_iter().filter(|it| status.message().contains(it)).count();
        expect(shown == 0, "no secret in an error", "the value of a secret input")?;
        let errors = detail::<InputPropertiesError>(&status, "InputPropertiesError")?.unwrap_or_default().errors;
        let paths = errors.into_iter().map(|it| it.property_path).filter(|it| {
            let mut is_shown = false;
            walk(&inputs, &mut |path, _, secret| is_shown |= secret && path == it);
            is_shown
        });
        expect_none(paths, "no InputPropertiesError for what is secret, as the engine shows the value; there is")?;
    }
    if looked_at == 0 {
        return not_applicable("no sample of a component has `invalid` inputs");
    }
    Ok(())
}

async fn takes_effect(run: &Run) -> Outcome {
    for it in components(run).await? {
        let constructed = it.construct_well(Children::Made, &it.inputs, with_options).await?;
        let registered = it.registered(&constructed.told)?;
        let mut wrong = Vec::new();
        let mut lacks = |option: &str, is_there: bool| {
            if !is_there {
                wrong.push(format!("the component without {option}"));
            }
        };
        lacks("protect", registered.protect == Some(true));
        lacks("retainOnDelete", registered.retain_on_delete == Some(true));
        lacks("deletedWith", registered.deleted_with == OTHER_URN);
        lacks("ignoreChanges", !registered.ignore_changes.is_empty());
        lacks("aliases", !registered.aliases.is_empty());
        lacks("replacementTrigger", registered.replacement_trigger.is_some());
        lacks("hooks", registered.hooks.is_some());
        for child in it.children(&constructed.told)? {
            let overrides = [
                ("protect", child.protect == Some(false)),
                ("retainOnDelete", child.retain_on_delete == Some(false)),
                ("deletedWith", !child.deleted_with.is_empty() && child.deleted_with != OTHER_URN),
            ];
            wrong.extend(overrides.iter().filter(|it| it.1).map(|it| format!("{} with {} of its own", child.name, it.0)));
        }
        expect_none(wrong, format!("{} and its children to be as the program wants them", it.entry.token))?;
    }
    Ok(())
}

async fn survives_children(run: &Run) -> Outcome {
    for it in components(run).await? {
        it.children(&it.constructed().await?.told)?;
        for children in [Children::Failed, Children::Skipped] {
            // It may succeed with unknown outputs, or fail; but it has to end, and `construct` looks after that.
            if let Ok(constructed) = it.construct(children, &it.inputs, |_| {}).await? {
                let invented = constructed.state.iter().filter(|(_, value)| holds(value, Some("-of-")));
                expect_none(invented.map(|(name, _)| name), format!("no output of children that are {children:?}; there are"))?;
            }
        }
        let refused = it.construct(Children::Refused, &it.inputs, |_| {}).await?;
        expect(refused.is_err(), format!("Construct of {} to fail when a child is refused", it.entry.token), "success")?;
    }
    Ok(())
}

async fn survives_engine(run: &Run) -> Outcome {
    for it in components(run).await? {
        let monitor = it.monitor(Children::Hanging)?;
        let request = monitor.construct(it.entry.token, "pair", &it.inputs);
        let mut client = it.provider.client.clone();
        let again = request.clone();
        let constructing = tokio::spawn(async move { client.construct(request).await });
        for _ in 0..100 {
            if monitor.told().registered.len() > 1 || constructing.is_finished() {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        monitor.kill();
        ends(constructing, "the engine goes away while a child is created").await?;
        let mut client = it.provider.client.clone();
        let constructing = tokio::spawn(async move { client.construct(again).await });
        ends(constructing, "the engine has gone already").await?;
        it.provider.client.clone().get_plugin_info(()).await?;
    }
    Ok(())
}

async fn ends(constructing: JoinHandle<Result<Response<rpc::ConstructResponse>, Status>>, when: &str) -> Outcome {
    let expected = format!("Construct to end within 5 s when {when}");
    match timeout(Duration::from_secs(5), constructing).await {
        Err(_) => failed(expected, "nothing"),
        Ok(Ok(Ok(_))) => Ok(()),
        Ok(Ok(Err(status))) => expect(!status.message().contains("panic"), expected, status.message()),
        Ok(Err(error)) => Err(anyhow::Error::from(error).into()),
    }
}
