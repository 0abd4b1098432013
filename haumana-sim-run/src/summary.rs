//! The summary of a state, for programs and for people.

use crate::findings::Finding;
use crate::state::State;
use crate::totals::Totals;
use haumana_sim::{FaultKind, Rare};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// How often each fault must occur in a long run.
pub const ENOUGH: u64 = 10_000;

/// Everything that is done.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The version of haumana-sync.
    pub version: &'static str,
    /// Operations on all stores.
    pub operations: u64,
    /// How many violations there are.
    pub n_violations: usize,
    /// The stores, in the order of their names.
    pub stores: Vec<OfStore>,
    /// What was found.
    pub violations: Vec<Finding>,
}

/// The finished work on one store.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OfStore {
    /// Its name.
    pub store: String,
    /// Edits of users, and requests that servers received.
    pub operations: u64,
    /// Operations for each second of processor time. The time of other servers is not included.
    pub operations_per_cpu_sec: u64,
    /// What the histories consisted of.
    pub totals: Totals,
    /// Faults and rare events in them.
    pub faults: Vec<OfFault>,
    /// Faults that occurred fewer than [`ENOUGH`] times.
    pub too_rare: Vec<String>,
    /// Histories and operations of each profile.
    pub profiles: BTreeMap<String, OfProfile>,
}

/// One kind of fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OfFault {
    /// Its name.
    pub kind: String,
    /// How often it occurred.
    pub count: u64,
    /// Whether that is often enough.
    pub is_enough: bool,
}

/// The finished work of one profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OfProfile {
    /// Histories.
    pub histories: u64,
    /// Operations.
    pub operations: u64,
}

impl Summary {
    /// Sums up a state.
    pub fn of(state: &State) -> Self {
        let stores: Vec<OfStore> =
            state.stores.keys().map(|store| OfStore::of(state, store)).collect();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            operations: stores.iter().map(|store| store.operations).sum(),
            n_violations: state.findings.len(),
            stores,
            violations: state.findings.clone(),
        }
    }
}

impl OfStore {
    fn of(state: &State, store: &str) -> Self {
        let totals = state.totals(store);
        let takes_backups = store != "dynamodb";
        let of_backups = [FaultKind::BackupRestored, FaultKind::RestoreSilent];
        let kinds = FaultKind::ALL.into_iter();
        let due = kinds.filter(|kind| takes_backups || !of_backups.contains(kind));
        let mut names: BTreeSet<String> = due.map(|kind| format!("{kind:?}")).collect();
        names.extend(Rare::ALL.map(|rare| format!("{rare:?}")));
        names.extend(totals.faults.keys().cloned());
        let count = |kind: &String| totals.faults.get(kind).copied().unwrap_or(0);
        let faults: Vec<OfFault> = names
            .into_iter()
            .map(|kind| OfFault { count: count(&kind), is_enough: ENOUGH <= count(&kind), kind })
            .collect();
        let too_rare = faults.iter().filter(|fault| !fault.is_enough);
        let parts = state.stores.get(store).into_iter().flatten();
        let profiles = parts.map(|(name, part)| {
            let (histories, operations) = (part.seeds.len(), part.totals.operations());
            (name.clone(), OfProfile { histories, operations })
        });
        Self {
            store: store.to_owned(),
            operations: totals.operations(),
            operations_per_cpu_sec: totals.operations_per_cpu_sec() as u64,
            too_rare: too_rare.map(|fault| fault.kind.clone()).collect(),
            profiles: profiles.collect(),
            faults,
            totals,
        }
    }
}

/// A number with its digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if 0 < at && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;\
    padding:0 1rem;color:#1b1b1b;background:#fff}table{border-collapse:collapse;margin:1rem 0}\
    th,td{padding:.2rem .8rem;border-bottom:1px solid #ddd;text-align:right}\
    th:first-child,td:first-child{text-align:left}pre{overflow-x:auto;background:#f4f4f4;\
    padding:1rem}.few{color:#a33}h2{margin-top:2.5rem}\
    @media(prefers-color-scheme:dark){body{color:#eee;background:#171717}\
    th,td{border-color:#444}pre{background:#252525}.few{color:#f99}}";

/// The summary as one page, which needs no other file.
pub fn page(summary: &Summary) -> String {
    let mut html = String::new();
    let n = summary.n_violations;
    let title = format!("{} operations, {n} violations", grouped(summary.operations));
    // Writing to a string cannot fail.
    let _ = write!(
        html,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>haumana-sim: {title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style>\
         <h1>{title}</h1><p>haumana-sync {}. An operation is an edit that a user makes, or a request that \
         a server takes in. Every fault is to occur at least {} times.</p>\
         <table><tr><th>store<th>operations<th>histories<th>edits<th>requests<th>calls of the store\
         <th>versions<th>hours<th>operations for each second of a processor</tr>",
        summary.version,
        grouped(ENOUGH),
    );
    for of in &summary.stores {
        let Totals { histories, edits, requests, store_calls, versions, micros, .. } = of.totals;
        let cells = [of.operations, histories, edits, requests, store_calls, versions];
        let _ = write!(html, "<tr><td>{}", of.store);
        cells.iter().for_each(|cell| {
            let _ = write!(html, "<td>{}", grouped(*cell));
        });
        let hours = micros as f64 / 3.6e9;
        let _ = write!(html, "<td>{hours:.2}<td>{}</tr>", grouped(of.operations_per_cpu_sec));
    }
    html.push_str("</table>");
    for finding in &summary.violations {
        let _ = write!(html, "<h2>A violation</h2><pre>{}</pre>", escaped(&finding.told()));
    }
    for of in &summary.stores {
        let _ = write!(html, "<h2>{}</h2><table><tr><th>fault<th>times</tr>", of.store);
        for OfFault { kind, count, is_enough } in &of.faults {
            let (class, mark) = if *is_enough { ("", "") } else { (" class=few", " (too few)") };
            let _ = write!(html, "<tr{class}><td>{kind}{mark}<td>{}</tr>", grouped(*count));
        }
        html.push_str("</table><table><tr><th>profile<th>histories<th>operations</tr>");
        for (name, OfProfile { histories, operations }) in &of.profiles {
            let (histories, operations) = (grouped(*histories), grouped(*operations));
            let _ = write!(html, "<tr><td>{name}<td>{histories}<td>{operations}</tr>");
        }
        html.push_str("</table>");
    }
    html.push_str("</html>\n");
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Done;

    fn state(count: u64) -> State {
        let faults = BTreeMap::from([("ReplyLost".to_owned(), count)]);
        let totals = Totals { histories: 1, edits: 1_234_567, faults, ..Totals::default() };
        let (store, profile) = ("memory".to_owned(), "everyday".to_owned());
        let mut state = State::default();
        state.add(Done { store, profile, seed: 0, totals, finding: None });
        state
    }

    #[test]
    fn faults_that_are_too_rare_are_marked() {
        let [few, enough] = [ENOUGH - 1, ENOUGH].map(|count| Summary::of(&state(count)));

        assert!(few.stores[0].too_rare.contains(&"ReplyLost".to_owned()));
        assert!(!enough.stores[0].too_rare.contains(&"ReplyLost".to_owned()));
        assert!(enough.stores[0].too_rare.contains(&"RequestLost".to_owned()), "never occurred");
        assert!(page(&few).contains("ReplyLost (too few)<td>9,999"));
        assert!(page(&enough).contains("<td>ReplyLost<td>10,000"));
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        let page = page(&Summary::of(&state(5)));

        assert!(page.contains("1,234,567 operations, 0 violations"));
        assert!(["http:", "https:", "src=", "@import"].iter().all(|text| !page.contains(text)));
    }
}
