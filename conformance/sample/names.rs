//! Names: what the cloud takes as one, and what is made up when a program gives none.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use provider_conformance::rpc::check_request::{AutonamingOptions, autonaming_options::Mode};

use crate::{
    fault::{self, fault},
    inputs::Failure,
};

/// What a name has to be.
pub(crate) const RULE: &str = "has to be 1 to 40 small letters, digits and hyphens, a letter first and no hyphen last";

/// How many random digits end a name that is made up.
const RANDOM: usize = 7;

/// Whether the cloud takes it as a name.
pub(crate) fn is_name(text: &str) -> bool {
    let legal = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-';
    text.len() <= 40 && text.chars().all(legal) && text.starts_with(|it: char| it.is_ascii_lowercase()) && !text.ends_with('-')
}

/// A name for what the program calls `name`: the same one for the same seed.
pub(crate) fn make_up(name: &str, seed: &[u8], how: Option<&AutonamingOptions>) -> Result<String, Failure> {
    let how = how.filter(|_| !fault(69));
    match how.map(AutonamingOptions::mode) {
        None => {}
        Some(Mode::Disable) => return Err(Failure::new("name", "is required, for pulumi:autonaming is disabled")),
        Some(Mode::Enforce) => {
            let enforced = how.map(|it| it.proposed_name.clone()).unwrap_or_default();
            let why = format!("cannot be {enforced:?}, the name that pulumi:autonaming enforces: it {RULE}");
            return if is_name(&enforced) { Ok(enforced) } else { Err(Failure::new("name", why)) };
        }
        Some(Mode::Propose) => return Ok(tidy(how.map_or(name, |it| &it.proposed_name), 40)),
    }
    if fault(70) && seed.is_empty() {
        return Err(Failure::new("name", "cannot be made up without a seed"));
    }
    let mut random = match seed {
        // Any other way to randomness would need a library; this is what hash maps use.
        [] => RandomState::new().build_hasher().finish(),
        _ if fault(55) => RandomState::new().build_hasher().finish(),
        seed => hash(seed),
    };
    if fault(72) {
        random = hash(name.as_bytes());
    }
    if fault(150) {
        random ^= fault::of_this_process() << 40;
    }
    let digits = format!("{random:016x}");
    let word = if fault(68) { name.to_owned() } else { tidy(name, 40 - RANDOM - 1) };
    Ok(format!("{word}-{}", &digits[..RANDOM]))
}

/// Whether `value` may have been made up for what the program calls `name`.
pub(crate) fn is_made_up(value: &str, name: &str) -> bool {
    let Some((word, random)) = value.rsplit_once('-') else { return false };
    random.len() == RANDOM && random.chars().all(|it| it.is_ascii_hexdigit()) && word == tidy(name, 40 - RANDOM - 1)
}

/// `name` as the cloud takes it, with up to `most` characters.
fn tidy(name: &str, most: usize) -> String {
    let name = name.to_lowercase();
    let words: Vec<_> = name.split(|it: char| !it.is_ascii_alphanumeric()).filter(|it| !it.is_empty()).collect();
    let mut tidy = words.join("-");
    if !tidy.starts_with(|it: char| it.is_ascii_lowercase()) {
        tidy.insert(0, 'x');
    }
    tidy.truncate(most);
    tidy.trim_end_matches('-').to_owned()
}

/// FNV-1a: stable across versions, as a plan may be older than the provider that carries it out.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
