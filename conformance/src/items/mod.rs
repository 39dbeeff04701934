//! The checklist: one module a section, one function an item.

use crate::item::Item;

mod attach;
mod check;
mod compatibility;
mod components;
mod config;
mod diff;
mod hostile;
mod life;
mod logging;
mod probe;
mod process;
mod read;

/// The last item about how a process starts.
pub const ABOUT_STARTING: u16 = 19;

/// Those that change or end what others look at, in this order: updates, deletion, and what all processes have written by
/// then.
pub const LAST: [u16; 10] = [104, 105, 121, 98, 109, 110, 111, 115, 18, 2];

/// Those that wait for long, beside all others.
pub const SLOW: [u16; 2] = [13, 14];

/// All items, by number.
pub fn all() -> Vec<Item> {
    let sections: [&[Item]; 10] = [
        process::ITEMS,
        attach::ITEMS,
        config::ITEMS,
        check::ITEMS,
        diff::ITEMS,
        life::ITEMS,
        read::ITEMS,
        components::ITEMS,
        logging::ITEMS,
        compatibility::ITEMS,
    ];
    let mut items = sections.concat();
    items.sort_by_key(|it| it.number);
    items
}
