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
    let links: Vec<_> = groups.iter().enumerate().map(|(index, it)| report.link(&format!("{GROUPS}[{index}]"), it)).collect();
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
    let rule = |from: &str| format!("{{ protocol: tcp, fromPort: {port}, toPort: {port}, securityGroups: [{from}] }}");
    report.warn_if_mismatched(GROUPS, &[], &candidates, |(group, link)| {
        let rules: Vec<_> = group.ingress.as_ref()?.iter().filter(|it| it.ports.0 <= port && port <= it.ports.1).collect();
        if rules.is_empty() {
            let fix = rule("<the one of the load balancer>");
            return Some(format!("lets nothing in at port {port}, where a load balancer sends requests; add to ingress: {fix}"));
        }
        let (name, theirs) = senders.as_ref()?;
        let fix = rule(&format!("<the one of load balancer {name}>"));
        let lets_in = rules.iter().any(|it| may_let_in(it, link, theirs));
        (!lets_in).then(|| format!("does not let in load balancer {name} at port {port}; add to ingress: {fix}"))
    });
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
    let balancer = balancers.only().filter(|it| !it.security_groups.is_empty())?;
    Some((balancer.name.clone(), balancer.security_groups.clone()))
}

/// Whether a rule of the group `own` may be for what is in one of the groups `theirs`.
fn may_let_in(rule: &IngressFacts, own: &Link, theirs: &[Link]) -> bool {
    let Some(groups) = &rule.groups else { return true };
    let may_be = |one: &Link, other: &Link| one.differs_from(other).is_none();
    theirs.iter().any(|it| groups.iter().any(|group| may_be(group, it)) || rule.itself && may_be(own, it))
}
