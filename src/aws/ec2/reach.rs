//! Whether tasks reach AWS, and whether load balancers reach tasks, as far as the program tells before anything is created.
//!
//! What is deployed is looked at by `ecs/network.rs`.

use crate::{
    check::Report,
    facts::{
        IngressFacts, ListenerFacts, LoadBalancerFacts, RouteTableFacts, SecurityGroupFacts, SubnetFacts, TargetGroupFacts,
        VpcEndpointFacts, VpcFacts, WayOut,
    },
    plan::{Candidates, Link},
};

const GROUPS: &str = "networkConfiguration.securityGroups";
const SUBNETS: &str = "networkConfiguration.subnets";
const PUBLIC_IP: &str = "networkConfiguration.assignPublicIp";

/// Warns of tasks in `subnets` that cannot pull their images, or whose public address is of no use.
pub fn check_way_out(subnets: &[String], assign_public_ip: bool, report: &mut Report<'_>) {
    let ways: Vec<_> = subnets.iter().enumerate().map(|(index, it)| ways_out(index, it, report)).collect();
    let where_all = |fits: &dyn Fn(WayOut) -> bool| -> Vec<String> {
        let those = ways.iter().enumerate().filter(|(_, ways)| !ways.is_empty() && ways.iter().all(|it| fits(*it)));
        those.map(|(index, _)| format!("subnets[{index}]")).collect()
    };
    if assign_public_ip {
        let closed = where_all(&|it| it == WayOut::None).join(" and ");
        let reason = format!(
            "is true, but the route table of {closed} has no route to the internet, so tasks cannot pull their images; add a route \
             {{ cidrBlock: 0.0.0.0/0, gatewayId: <InternetGateway> }} to it"
        );
        report.warn(&[PUBLIC_IP], closed.is_empty(), reason);
        let by_nat = where_all(&|it| it == WayOut::NatGateway).join(" and ");
        let reason = format!(
            "is true, but the route table of {by_nat} leads to a NAT gateway: the public addresses cost money and cannot be reached; \
             set it to false, or use subnets whose route table leads to an InternetGateway"
        );
        report.warn(&[PUBLIC_IP], by_nat.is_empty(), reason);
        return;
    }
    if report.others::<VpcEndpointFacts>().iter().any(|it| it.is_interface) {
        return;
    }
    let closed = where_all(&|it| it == WayOut::None).join(" and ");
    let reason = format!(
        "is false, and the route table of {closed} has no default route, and the program has no interface VPC endpoints, so tasks \
         cannot pull their images; add a route {{ cidrBlock: 0.0.0.0/0, natGatewayId: <NatGateway> }} to it, or VpcEndpoints for \
         ecr.api, ecr.dkr, s3 and logs"
    );
    report.warn(&[PUBLIC_IP], closed.is_empty(), reason);
    let public = where_all(&|it| matches!(it, WayOut::None | WayOut::InternetGateway));
    let public: Vec<_> = public.into_iter().filter(|it| !closed.contains(it.as_str())).collect();
    let public = public.join(" and ");
    let reason = format!(
        "is false, but the route table of {public} leads to an internet gateway, by which only public addresses get out, so tasks \
         cannot pull their images; set it to true, or use subnets whose route table leads to a NatGateway"
    );
    report.warn(&[PUBLIC_IP], public.is_empty(), reason);
}

/// The ways that may lead out of a subnet; none where that is not known.
fn ways_out(index: usize, subnet: &str, report: &Report<'_>) -> Vec<WayOut> {
    let link = report.link(&format!("{SUBNETS}[{index}]"), subnet);
    if report.follow::<SubnetFacts>(&link).those.is_empty() {
        return Vec::new();
    }
    let tables = report.others::<RouteTableFacts>();
    let has = |it: &&RouteTableFacts| it.subnets.iter().any(|it| report.same::<SubnetFacts>(it, &link));
    let mut candidates: Vec<_> = tables.iter().filter(has).collect();
    if candidates.is_empty() && link == Link::Unknown {
        candidates = tables.iter().filter(|it| it.subnets.contains(&Link::Unknown)).collect();
    }
    // A VPC from elsewhere may have endpoints from elsewhere.
    let ours = |it: &RouteTableFacts| !report.follow::<VpcFacts>(&it.vpc).those.is_empty();
    let ways: Option<Vec<_>> = candidates.into_iter().map(|it| it.way_out.filter(|_| ours(it))).collect();
    ways.unwrap_or_default()
}

/// Warns if none of the security groups of a service lets a load balancer in at `port`, which sends requests to the target group
/// at the path `target`.
pub fn check_way_in(groups: &[String], target: (&str, &str), port: i32, report: &mut Report<'_>) {
    let links = links(GROUPS, groups, report);
    let senders = senders(target, report);
    let Some(candidates) = candidates(&links, report) else { return };
    if links.is_empty() {
        // The group that comes with the VPC lets in what is in it, and nothing else.
        if let Some((name, groups)) = &senders
            && groups.iter().all(|it| !report.follow::<SecurityGroupFacts>(it).those.is_empty())
        {
            let reason = format!(
                "is left out, and the default group of the VPC does not let in load balancer {name} at port {port}; set it to a \
                 SecurityGroup with an ingress rule for the one of the load balancer"
            );
            report.warn(&[GROUPS], false, reason);
        }
        return;
    }
    report.warn_if_mismatched(GROUPS, &[], &candidates, |(group, link)| {
        let rules = rules_at(group, port)?;
        if rules.is_empty() {
            let fix = rule(port, "<the one of the load balancer>");
            return Some(format!("lets nothing in at port {port}, where a load balancer sends requests; add to ingress: {fix}"));
        }
        let (name, theirs) = senders.as_ref()?;
        let fix = rule(port, &format!("<the one of load balancer {name}>"));
        let lets_in = rules.iter().any(|it| may_let_in(it, link, theirs));
        (!lets_in).then(|| format!("does not let in load balancer {name} at port {port}; add to ingress: {fix}"))
    });
}

/// Warns if none of the security groups at `path` lets anything in at the port of Redis.
pub fn check_port(path: &str, groups: &[String], port: i32, report: &mut Report<'_>) {
    let links = links(path, groups, report);
    let Some(candidates) = candidates(&links, report) else { return };
    let certain = candidates.certain;
    report.warn_if_mismatched(path, &[], &candidates, |(group, _)| {
        let fix = rule(port, "<the one of the service>");
        // Of groups that are not known yet, nothing tells which one it is.
        let of = if certain { format!(" of {}", group.name) } else { String::new() };
        let reason = || format!("lets nothing in at port {port}, where Redis listens; add to ingress{of}: {fix}");
        rules_at(group, port)?.is_empty().then(reason)
    });
}

/// The rules of a group that let anything in at a port, if they are known.
fn rules_at(group: &SecurityGroupFacts, port: i32) -> Option<Vec<&IngressFacts>> {
    Some(group.ingress.as_ref()?.iter().filter(|it| it.ports.0 <= port && port <= it.ports.1).collect())
}

/// The rule that lets in what is in a group, as a program writes it.
fn rule(port: i32, from: &str) -> String {
    format!("{{ protocol: tcp, fromPort: {port}, toPort: {port}, securityGroups: [{from}] }}")
}

/// The links to the security groups at `path`.
fn links(path: &str, groups: &[String], report: &Report<'_>) -> Vec<Link> {
    groups.iter().enumerate().map(|(index, it)| report.link(&format!("{path}[{index}]"), it)).collect()
}

/// The groups that links may lead to, each with its link; none if one may be of elsewhere.
fn candidates(links: &[Link], report: &Report<'_>) -> Option<Candidates<(SecurityGroupFacts, Link)>> {
    let mut all = Candidates { certain: true, those: Vec::new() };
    for link in links {
        let found = report.follow::<SecurityGroupFacts>(link);
        if found.those.is_empty() {
            return None;
        }
        all.certain &= found.certain;
        all.those.extend(found.those.into_iter().map(|it| (it, link.clone())));
    }
    Some(all)
}

/// The load balancer that sends requests to a target group, by its name, and its security groups.
fn senders((path, arn): (&str, &str), report: &Report<'_>) -> Option<(String, Vec<Link>)> {
    let target = report.link(path, arn);
    let listeners = report.others::<ListenerFacts>();
    let sends = |it: &&ListenerFacts| it.target_groups.iter().any(|it| report.same::<TargetGroupFacts>(it, &target));
    let listener = listeners.iter().find(sends)?;
    let balancers = report.follow::<LoadBalancerFacts>(&listener.load_balancer);
    let balancer = balancers.only()?;
    Some((balancer.name.clone(), balancer.security_groups.clone().filter(|it| !it.is_empty())?))
}

/// Whether a rule of the group `own` may be for what is in one of the groups `theirs`.
fn may_let_in(rule: &IngressFacts, own: &Link, theirs: &[Link]) -> bool {
    let Some(groups) = &rule.groups else { return true };
    let may_be = |one: &Link, other: &Link| one.differs_from(other).is_none();
    theirs.iter().any(|it| groups.iter().any(|group| may_be(group, it)) || rule.itself && may_be(own, it))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::{
        plan::{Facts, Plan},
        resource::findings,
        resources::{redis_group::RedisGroup, service::Service, task::Task},
        value::Value,
    };

    const UNKNOWN: &str = "unknown";
    const TARGETS: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/1";

    fn link(id: &str) -> Link {
        if id == UNKNOWN { Link::Unknown } else { Link::Known(id.to_owned()) }
    }

    /// Declares what has this id, or is created in this run.
    fn declare(plan: &Plan, urn: &str, id: &str, facts: Facts) {
        plan.declare(urn, facts);
        if id != UNKNOWN {
            plan.record(urn, Some(id), &[]);
        }
    }

    /// A program with a VPC, and for each of the route tables a subnet: both by this id.
    fn network(tables: &[(&str, Option<WayOut>)]) -> Plan {
        let plan = Plan::default();
        declare(&plan, "vpc", "vpc-1", Facts::new(VpcFacts { block: None, is_new: false, has_dns: None }));
        for (index, (subnet, way_out)) in tables.iter().enumerate() {
            let vpc = link("vpc-1");
            let facts = SubnetFacts { vpc: vpc.clone(), availability_zone: None, block: None };
            declare(&plan, &format!("subnet{index}"), subnet, Facts::new(facts));
            let facts = RouteTableFacts { vpc, subnets: vec![link(subnet)], way_out: *way_out };
            declare(&plan, &format!("table{index}"), UNKNOWN, Facts::new(facts));
        }
        plan
    }

    fn known_or_not(mut value: Value) -> Value {
        match &mut value {
            Value::String(it) if it == UNKNOWN => Value::Unknown,
            Value::List(items) => Value::List(items.drain(..).map(known_or_not).collect()),
            Value::Object(map) => {
                Value::Object(std::mem::take(map).into_iter().map(|(name, it)| (name, known_or_not(it))).collect())
            }
            _ => value,
        }
    }

    fn task(subnets: &[&str], public: bool) -> Value {
        let network = json!({ "subnets": subnets, "assignPublicIp": public });
        known_or_not(json!({ "cluster": "main", "taskDefinition": "web:1", "networkConfiguration": network }).into())
    }

    #[test]
    fn tasks_without_a_way_out_are_doubted() {
        use WayOut::{InternetGateway, NatGateway, None, Other};
        let no_route = "is false, and the route table of subnets[0] has no default route";
        let no_address = "is false, but the route table of subnets[0] leads to an internet gateway";
        let no_use = "is true, but the route table of subnets[0] leads to a NAT gateway";
        let closed = "is true, but the route table of subnets[0] has no route to the internet";
        for (way, public, warning) in [
            (Some(None), false, Some(no_route)),
            (Some(None), true, Some(closed)),
            (Some(InternetGateway), false, Some(no_address)),
            (Some(InternetGateway), true, Option::None),
            (Some(NatGateway), false, Option::None),
            (Some(NatGateway), true, Some(no_use)),
            (Some(Other), false, Option::None),
            (Option::None, false, Option::None),
        ] {
            for id in ["subnet-1", UNKNOWN] {
                let warnings = findings::<Task>(&network(&[(id, way)]), task(&[id], public)).1;
                assert_eq!(warnings.len(), usize::from(warning.is_some()), "{way:?} {public}: {warnings:?}");
                let expected = warning.map(|it| format!("networkConfiguration.assignPublicIp {it}"));
                assert!(expected.is_none_or(|it| warnings[0].starts_with(&it)), "{warnings:?}");
            }
        }
        let other = findings::<Task>(&network(&[("subnet-1", Some(None))]), task(&["subnet-2"], false)).1;
        assert!(other.is_empty(), "a subnet from elsewhere: {other:?}");
    }

    #[test]
    fn a_subnet_that_is_not_known_may_be_any_that_is_not() {
        use WayOut::{InternetGateway, NatGateway, None};
        let warnings = |ways: [WayOut; 2]| {
            let plan = network(&[(UNKNOWN, Some(ways[0])), (UNKNOWN, Some(ways[1]))]);
            findings::<Task>(&plan, task(&[UNKNOWN, UNKNOWN], false)).1
        };
        assert!(warnings([InternetGateway, NatGateway]).is_empty());
        assert!(warnings([InternetGateway, None])[0].contains("of subnets[0] and subnets[1] leads to an internet gateway"));
        assert!(warnings([None, None])[0].contains("of subnets[0] and subnets[1] has no default route"));
    }

    #[test]
    fn endpoints_are_a_way_out() {
        let plan = network(&[("subnet-1", Some(WayOut::None))]);
        let endpoint = |is_interface| VpcEndpointFacts { vpc: link("vpc-1"), service: None, is_interface, private_dns: false };
        declare(&plan, "s3", UNKNOWN, Facts::new(endpoint(false)));
        assert_eq!(findings::<Task>(&plan, task(&["subnet-1"], false)).1.len(), 1, "S3 alone is not enough");
        declare(&plan, "ecr", UNKNOWN, Facts::new(endpoint(true)));
        assert!(findings::<Task>(&plan, task(&["subnet-1"], false)).1.is_empty());
    }

    fn group(ingress: Vec<IngressFacts>) -> Facts {
        Facts::new(SecurityGroupFacts { name: "app".to_owned(), ingress: Some(ingress) })
    }

    fn rule(ports: (i32, i32), groups: Option<&[&str]>) -> IngressFacts {
        IngressFacts { ports, groups: groups.map(|it| it.iter().map(|it| link(it)).collect()), itself: false }
    }

    fn service(groups: &[&str]) -> Value {
        let balancer = json!({ "targetGroupArn": TARGETS, "containerName": "app", "containerPort": 8000 });
        let network = json!({ "subnets": ["subnet-1"], "securityGroups": groups });
        let inputs = json!({
            "name": "web", "cluster": "main", "taskDefinition": "web:1",
            "networkConfiguration": network, "loadBalancers": [balancer],
        });
        known_or_not(inputs.into())
    }

    /// A program with a load balancer in group `sg-lb`, which sends requests to `TARGETS`.
    fn balanced() -> Plan {
        let plan = Plan::default();
        declare(&plan, "lb group", "sg-lb", group(vec![rule((80, 80), None)]));
        let security_groups = Some(vec![link("sg-lb")]);
        let facts =
            LoadBalancerFacts { name: "front".to_owned(), kind: None, internal: None, subnets: Vec::new(), security_groups };
        declare(&plan, "lb", "arn:lb", Facts::new(facts));
        let facts =
            ListenerFacts { load_balancer: link("arn:lb"), port: None, protocol: None, target_groups: vec![link(TARGETS)] };
        declare(&plan, "listener", "arn:listener", Facts::new(facts));
        plan
    }

    fn way_in(plan: &Plan, groups: &[&str]) -> Vec<String> {
        let warnings = findings::<Service>(plan, service(groups)).1;
        warnings.into_iter().filter(|it| it.starts_with("networkConfiguration.securityGroups")).collect()
    }

    #[test]
    fn a_group_that_does_not_open_the_port_of_redis_is_doubted() {
        let with = |ports: Option<(i32, i32)>, id: &str, named: &[&str]| {
            let plan = Plan::default();
            declare(&plan, "redis", id, group(ports.map(|it| rule(it, None)).into_iter().collect()));
            let inputs = json!({ "name": "queue", "nodeType": "cache.t4g.small", "securityGroupIds": named, "port": 6380 });
            let warnings = findings::<RedisGroup>(&plan, known_or_not(inputs.into())).1;
            warnings.into_iter().filter(|it| it.starts_with("securityGroupIds")).collect::<Vec<_>>()
        };
        for id in ["sg-1", UNKNOWN] {
            for ports in [None, Some((6379, 6379))] {
                let warnings = with(ports, id, &[id]);
                assert!(warnings.len() == 1 && warnings[0].contains("lets nothing in at port 6380"), "{warnings:?}");
            }
            assert!(with(Some((6000, 7000)), id, &[id]).is_empty());
        }
        assert!(with(None, "sg-1", &["sg-2"]).is_empty(), "a group from elsewhere");
        assert!(with(None, "sg-1", &["sg-1", "sg-2"]).is_empty(), "the other one may open it");
        assert!(with(None, "sg-1", &[]).is_empty());
    }

    #[test]
    fn a_group_that_lets_no_load_balancer_in_is_doubted() {
        let closed = "networkConfiguration.securityGroups lets nothing in at port 8000, where a load balancer sends requests; add to \
                      ingress: { protocol: tcp, fromPort: 8000, toPort: 8000, securityGroups: [<the one of the load balancer>] }";
        let others = "networkConfiguration.securityGroups does not let in load balancer front at port 8000; add to ingress:";
        for (ingress, warning) in [
            (vec![], Some(closed)),
            (vec![rule((80, 80), None)], Some(closed)),
            (vec![rule((8000, 8000), None)], None),
            (vec![rule((0, 65535), Some(&["sg-lb"]))], None),
            (vec![rule((8000, 8000), Some(&["sg-other"]))], Some(others)),
            (vec![rule((8000, 8000), Some(&[UNKNOWN]))], None),
            (vec![IngressFacts { itself: true, ..rule((8000, 8000), Some(&[])) }], Some(others)),
        ] {
            let plan = balanced();
            declare(&plan, "app", "sg-app", group(ingress.clone()));
            let warnings = way_in(&plan, &["sg-app"]);
            assert_eq!(warnings.len(), usize::from(warning.is_some()), "{ingress:?}: {warnings:?}");
            assert!(warning.is_none_or(|it| warnings[0].starts_with(it)), "{warnings:?}");
            assert!(way_in(&plan, &["sg-app", "sg-elsewhere"]).is_empty(), "a group from elsewhere may let it in");
        }
        let plan = balanced();
        declare(&plan, "app", UNKNOWN, group(vec![]));
        assert_eq!(way_in(&plan, &[UNKNOWN]).len(), 1, "on the first run, too");
        let left_out = way_in(&plan, &[]);
        assert!(left_out[0].contains("is left out, and the default group of the VPC does not let in load balancer front"));
    }

    #[test]
    fn a_network_that_works_is_not_doubted() {
        let plan = network(&[("subnet-1", Some(WayOut::NatGateway))]);
        let inputs: Json = json!({ "subnets": ["subnet-1"] });
        let task = json!({ "cluster": "main", "taskDefinition": "web:1", "networkConfiguration": inputs });
        assert_eq!(findings::<Task>(&plan, task.into()), (vec![], vec![]));
    }
}
