//! What queries of CloudWatch metrics have to be, for alarms and for scaling policies.

use crate::check::Report;

/// A metric, or an expression over others, as the rules need it.
pub struct Query<'a> {
    pub id: &'a str,
    pub expression: Option<&'a str>,
    pub has_metric: bool,
}

impl Query<'_> {
    /// Whether it asks by SQL, "Metrics Insights".
    pub fn is_sql(&self) -> bool {
        self.expression.is_some_and(|it| it.trim_start().get(..6).is_some_and(|it| it.eq_ignore_ascii_case("select")))
    }
}

/// Reports what AWS refuses in the queries at `path`.
pub fn check_queries(path: &str, queries: &[Query<'_>], metric: &str, report: &mut Report<'_>) {
    let ids = format!("{path}[].id");
    for (index, query) in queries.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let over = ["", ".expression", &format!(".{metric}")].map(|it| format!("{path}{it}?"));
        report.rule(
            &over.each_ref().map(String::as_str),
            query.expression.is_some() != query.has_metric,
            format!("needs one of expression and {metric}"),
        );
        let (id, before) = (query.id, &queries[..index]);
        let id_path = format!("{path}.id");
        report.rule(
            &[&id_path],
            before.iter().all(|it| it.id != id),
            format!("is {id}, as that of another query; AWS takes an id once"),
        );
        let Some(expression) = query.expression.filter(|_| !query.is_sql()) else { continue };
        let undefined: Vec<_> = names(expression).into_iter().filter(|it| queries.iter().all(|query| query.id != *it)).collect();
        report.warn(
            &[&format!("{path}.expression"), &ids],
            undefined.is_empty(),
            format!("refers to {}, which is not the id of any of these queries", undefined.join(", ")),
        );
    }
}

/// The names in an expression that can only be ids: those begin with a lower-case letter, functions and operators do not.
fn names(expression: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let is_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
        let length = match first {
            '\'' | '"' => rest[1..].find(first).map_or(rest.len(), |it| it + 2),
            it if is_name(it) => rest.find(|it| !is_name(it)).unwrap_or(rest.len()),
            it => it.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        if first.is_ascii_lowercase() && !["and", "or", "not"].contains(&token) && !after.trim_start().starts_with('(') {
            names.push(token);
        }
        rest = after;
    }
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_an_expression_are_ids() {
        assert_eq!(names("100 * failed / all"), ["failed", "all"]);
        assert_eq!(names("IF(m1 > 1e3 AND e_2 < 0.5, FILL(m1, 0), 'not me')"), ["m1", "e_2", "m1"]);
        assert_eq!(names("ANOMALY_DETECTION_BAND(m1, 2) \"x"), ["m1"]);
    }
}
