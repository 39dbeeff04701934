//! What the target groups that listeners and rules forward to have to fit.

use super::action::{ListenerAction, forwards};
use crate::{
    check::Report,
    facts::{ListenerFacts, ListenerRuleFacts, LoadBalancerFacts, SubnetFacts, TargetGroupFacts},
    plan::{Candidates, Link},
};

/// The links to the target groups that actions forward to.
pub fn links(list: &str, actions: &[ListenerAction], report: &Report<'_>) -> Vec<Link> {
    forwards(list, actions).iter().map(|(path, arn)| report.link(path, arn)).collect()
}

/// Compares the target groups in the actions of the property `list` with the listener that the actions belong to, and with the
/// other listeners of the program.
pub fn check_forwards(list: &str, actions: &[ListenerAction], listener: &Candidates<ListenerFacts>, report: &mut Report<'_>) {
    let elsewhere = other_forwards(report);
    for (path, arn) in forwards(list, actions) {
        let link = report.link(&path, &arn);
        let groups = report.follow::<TargetGroupFacts>(&link);
        let pairs = groups.which(|_| true).with(listener);
        report.compare(&path, &[], &pairs, |(group, listener)| {
            let (targets, clients) = (group.protocol.as_deref()?, listener.protocol.as_deref()?);
            let fitting = fitting(clients)?;
            (!fitting.contains(&targets)).then(|| {
                format!(
                    "is target group {} of protocol {targets}, but a listener of protocol {clients} forwards to {} only",
                    group.name,
                    fitting.join(" or ")
                )
            })
        });
        let vpcs = pairs.those.iter().filter_map(|(group, listener)| Some((*group, vpc_of(&listener.load_balancer, report)?)));
        let vpcs = Candidates { certain: pairs.certain, those: vpcs.collect::<Vec<_>>() };
        report.compare(&path, &[], &vpcs, |(group, vpc)| {
            let Link::Known(own) = &group.vpc else { return None };
            (own != vpc).then(|| {
                format!(
                    "is target group {} in {own}, but the load balancer is in {vpc}; a load balancer forwards within its VPC",
                    group.name
                )
            })
        });
        let Some(ListenerFacts { load_balancer: Link::Known(own), .. }) = listener.only() else { continue };
        let shared = elsewhere.iter().find(|it| it.1 != *own && report.same::<TargetGroupFacts>(&link, &it.0));
        if let Some((_, other)) = shared {
            let reason = format!("serves {other} as well, but AWS lets a target group serve one load balancer; add another one");
            report.rule(&[&path], false, reason);
        }
    }
}

/// Refuses to keep a target group whose change deletes it first: AWS deletes none that a listener or a rule forwards to.
pub fn check_recreated(list: &str, old: &[ListenerAction], new: &[ListenerAction], report: &mut Report<'_>) {
    let old = forwards(list, old);
    let forwarded = |name: &str| old.iter().any(|(_, arn)| arn.contains(&format!(":targetgroup/{name}/")));
    for (path, arn) in forwards(list, new) {
        let groups = report.resolve::<TargetGroupFacts>(&path, Some(&arn));
        report.compare(&path, &[], &groups, |group| {
            (group.recreated && forwarded(&group.name)).then(|| {
                format!(
                    "is target group {}, which has to be deleted and created anew under its name, and AWS deletes none that a listener \
                     forwards to: give that TargetGroup another name, or leave its name out, and the new one is created first",
                    group.name
                )
            })
        });
    }
}

/// The target groups of all other listeners and rules, with the load balancers that they serve, as far as these are known.
fn other_forwards(report: &Report<'_>) -> Vec<(Link, String)> {
    let of_rule = |it: ListenerRuleFacts| {
        let listener = report.follow::<ListenerFacts>(&it.listener).only()?.load_balancer.clone();
        Some((it.target_groups, listener))
    };
    let of_listeners = report.others::<ListenerFacts>().into_iter().map(|it| (it.target_groups, it.load_balancer));
    let all = of_listeners.chain(report.others::<ListenerRuleFacts>().into_iter().filter_map(of_rule));
    let known = all.filter_map(|(groups, balancer)| match balancer {
        Link::Known(balancer) => Some(groups.into_iter().map(move |it| (it, balancer.clone()))),
        Link::Unknown | Link::Wrong => None,
    });
    known.flatten().collect()
}

/// The protocols of target groups that a listener may forward to; none where that is not known. From the user guides of
/// application and network load balancers, on routing configuration.
fn fitting(listener: &str) -> Option<&'static [&'static str]> {
    Some(match listener {
        "HTTP" | "HTTPS" => &["HTTP", "HTTPS"],
        "TCP" => &["TCP", "TCP_UDP"],
        "TLS" => &["TCP", "TLS"],
        "UDP" => &["UDP", "TCP_UDP"],
        "TCP_UDP" => &["TCP_UDP"],
        _ => return None,
    })
}

/// The VPC of a load balancer, if its subnets tell: whichever of those that are not created yet they are, all are in that VPC.
fn vpc_of(balancer: &Link, report: &Report<'_>) -> Option<String> {
    let balancer = report.follow::<LoadBalancerFacts>(balancer);
    let subnets = report.follow::<SubnetFacts>(balancer.only()?.subnets.first()?).those;
    match &subnets.first()?.vpc {
        Link::Known(vpc) if subnets.iter().all(|it| it.vpc == subnets[0].vpc) => Some(vpc.clone()),
        _ => None,
    }
}
