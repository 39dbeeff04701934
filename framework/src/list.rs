//! Lists what there is of a type: the pages of the cloud in, as many results out as the caller wants, and where to go on from there.

use std::ops::RangeInclusive;

use anyhow::{Error, Result};
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use schemars::JsonSchema;
use serde::Deserialize;

/// How many results a call gives where the caller leaves it to us.
const PAGE: usize = 100;

/// One of the things that there are.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The id, in the one form that the state holds.
    pub id: String,
    /// What people know it by, if anything.
    pub name: String,
}

impl Listed {
    /// A thing that has an id and a name.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self { id: id.into(), name: name.into() }
    }

    /// A thing whose name is its id.
    pub fn named(name: impl Into<String>) -> Self {
        let name = name.into();
        Self { id: name.clone(), name }
    }
}

/// What the cloud answers to one call.
#[derive(Debug)]
pub struct Page {
    listed: Vec<Listed>,
    next: Option<String>,
}

impl Page {
    /// A page, and the cloud's token for the one after it.
    pub fn new(listed: impl IntoIterator<Item = Listed>, next: Option<String>) -> Self {
        Self { listed: listed.into_iter().collect(), next: next.filter(|it| !it.is_empty()) }
    }

    /// All there is, where the cloud has no pages. In the order of ids, for its own may be another one every time.
    pub fn whole(listed: impl IntoIterator<Item = Listed>) -> Self {
        let mut page = Self::new(listed, None);
        page.listed.sort_by(|a, b| a.id.cmp(&b.id));
        page
    }
}

/// Which page to ask for.
#[derive(Debug)]
pub struct Cursor {
    /// The cloud's token for it; none for the first.
    pub token: Option<String>,
    wanted: usize,
}

impl Cursor {
    /// How many results to ask for, within what the call takes.
    pub fn size(&self, taken: RangeInclusive<i32>) -> i32 {
        i32::try_from(self.wanted).unwrap_or(i32::MAX).clamp(*taken.start(), *taken.end())
    }
}

/// A query with nothing to ask for: all of a region.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct All {}

/// A query by the beginning of names.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ByName {
    /// What the names begin with. Default: anything.
    #[schemars(length(min = 1))]
    pub name_prefix: Option<String>,
}

/// Where a list goes on: the cloud's token, and how many of the results from there on have been given out. Its pages may be
/// larger than the caller's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Position {
    token: Option<String>,
    given: usize,
}

impl Position {
    /// Reads what [`Self::to_token`] wrote for the same type; the empty text is the beginning.
    pub fn parse(of: &str, token: &str) -> Option<Self> {
        if token.is_empty() {
            return Some(Self::default());
        }
        let (given, token) = token.strip_prefix(of)?.strip_prefix('/')?.split_once('/')?;
        Some(Self { token: Some(token.to_owned()).filter(|it| !it.is_empty()), given: given.parse().ok()? })
    }

    /// The token by which the caller goes on in a list of the type `of`.
    pub fn to_token(&self, of: &str) -> String {
        format!("{of}/{}/{}", self.given, self.token.as_deref().unwrap_or_default())
    }
}

/// A step through a list.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// One of the results.
    Found(Listed),
    /// There is more, from here on. The last step, if it comes.
    More(Position),
}

/// How many results a call gives: at most `limit` and at most `page`, where they are above 0.
pub fn most(limit: i64, page: i64) -> usize {
    let given = |it: i64| usize::try_from(it).ok().filter(|it| *it > 0);
    let page = given(page).unwrap_or(PAGE);
    given(limit).map_or(page, |it| it.min(page))
}

/// Gives out `most` results, each page as it arrives, and looks whether there is one more: the token alone does not tell.
pub fn walk<F>(from: Position, most: usize, ask: impl Fn(Cursor) -> F + Send) -> impl Stream<Item = Result<Step>> + Send
where
    F: Future<Output = Result<Page>> + Send,
{
    let steps = stream::try_unfold(Some((from, most)), move |state| {
        let asked = state.map(|(at, left)| (ask(Cursor { token: at.token.clone(), wanted: most }), at, left));
        async move {
            let Some((page, at, left)) = asked else { return Ok::<_, Error>(None) };
            let Page { listed, next } = page.await?;
            let (all, given) = (listed.len(), at.given.min(listed.len()));
            let mut steps: Vec<_> = listed.into_iter().skip(given).take(left).map(Step::Found).collect();
            let left = left - steps.len();
            if given + steps.len() < all {
                steps.push(Step::More(Position { given: given + steps.len(), ..at }));
                return Ok(Some((steps, None)));
            }
            let next = next.map(|it| (Position { token: Some(it), given: at.given - given }, left));
            Ok(Some((steps, next)))
        }
    });
    steps.map_ok(|steps| stream::iter(steps).map(Ok)).try_flatten()
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use proptest::prelude::*;

    use super::*;

    /// A cloud that has numbered things, of which some are none of ours. Its pages are never smaller than `least`, nor larger
    /// than `largest`, and a token may lead to a last page with nothing in it.
    struct Shelf {
        ours: Vec<bool>,
        least: usize,
        largest: usize,
    }

    impl Shelf {
        fn page(&self, cursor: &Cursor) -> Page {
            let start = cursor.token.as_deref().map_or(0, |it| it.parse().unwrap());
            let end = self.ours.len().min(start + cursor.wanted.clamp(self.least, self.largest));
            let listed = (start..end).filter(|it| self.ours[*it]).map(|it| Listed::named(it.to_string()));
            Page::new(listed, (end > start).then(|| end.to_string()))
        }

        /// All steps of one call.
        fn call(&self, from: Position, most: usize) -> Vec<Step> {
            let steps = walk(from, most, |cursor| async move { Ok(self.page(&cursor)) });
            // Nothing in it waits.
            steps.try_collect().now_or_never().unwrap().unwrap()
        }
    }

    proptest! {
        #[test]
        fn every_result_comes_once_whatever_the_pages(
            ours in prop::collection::vec(any::<bool>(), 0..40),
            (least, more) in (1_usize..8, 0_usize..8),
            calls in prop::collection::vec(1_usize..12, 1..5),
        ) {
            let shelf = Shelf { ours: ours.clone(), least, largest: least + more };
            let all: Vec<_> = (0..ours.len()).filter(|it| ours[*it]).map(|it| Listed::named(it.to_string())).collect();
            let (mut found, mut token) = (Vec::new(), String::new());
            for most in calls.iter().cycle() {
                let mut steps = shelf.call(Position::parse("Shelf", &token).unwrap(), *most);
                let more = steps.pop_if(|it| matches!(it, Step::More(_)));
                found.extend(steps.into_iter().map(|it| match it {
                    Step::Found(it) => it,
                    Step::More(_) => panic!("more comes last"),
                }));
                prop_assert!(found.len() <= all.len());
                prop_assert_eq!(more.is_some(), found.len() < all.len(), "more is said exactly if there is more");
                let Some(Step::More(position)) = more else { break };
                token = position.to_token("Shelf");
            }
            prop_assert_eq!(found, all);
        }

        #[test]
        fn a_call_gives_no_more_than_was_asked_for(ours in prop::collection::vec(any::<bool>(), 0..40), most in 1_usize..12) {
            let steps = Shelf { ours, least: 5, largest: 10 }.call(Position::default(), most);
            prop_assert!(steps.iter().filter(|it| matches!(it, Step::Found(_))).count() <= most);
        }
    }

    #[test]
    fn tokens_are_of_one_type_of_resource() {
        for position in [Position { token: Some("a/b==".to_owned()), given: 7 }, Position { token: None, given: 3 }] {
            let token = position.to_token("Listener");
            assert_eq!(Position::parse("Listener", &token), Some(position));
            assert_eq!(Position::parse("ListenerRule", &token), None);
            assert_eq!(Position::parse("Listen", &token), None);
        }
        for token in ["garbage", "Listener", "Listener/", "Listener/1", "Listener/x/y", "/", "Listener/-1/y"] {
            assert_eq!(Position::parse("Listener", token), None, "{token}");
        }
    }

    #[test]
    fn the_smaller_of_limit_and_page_counts() {
        for ((limit, page), expected) in
            [((0, 0), PAGE), ((-1, -1), PAGE), ((7, 0), 7), ((7, 3), 3), ((0, 250), 250), ((500, 0), PAGE)]
        {
            assert_eq!(most(limit, page), expected, "{limit} {page}");
        }
    }
}
