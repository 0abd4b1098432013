//! The kinds of record on a device: those of the app's schema, and those that it does not know yet.

use crate::error::{Error, ErrorKind, Result};
use haumana_sync::id::KindNumber;
use haumana_sync::schema::{Kind, Schema};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the storage keeps about the kinds of its records.
///
/// The replica makes and reads it. A storage keeps it unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Declared {
    /// The schema with which the records were last written, as JSON.
    pub schema: Option<String>,
    /// Kinds that the schema does not have, each with the number that its records have in the
    /// storage.
    pub strays: BTreeMap<KindNumber, String>,
}

/// The kinds that a replica works with. A kind that the schema does not have has no fields here:
/// every key of its records is kept unchanged.
#[derive(Clone, Debug)]
pub(crate) struct Kinds {
    schema: Schema,
    strays: BTreeMap<KindNumber, Arc<Kind>>,
}

/// How the numbers of stored records change when a schema is opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) kinds: Kinds,
    /// Numbers to be replaced, in this order.
    pub(crate) moves: Vec<(KindNumber, KindNumber)>,
    /// Kinds that need a new index.
    pub(crate) reindexed: Vec<KindNumber>,
}

impl Kinds {
    /// Replaces the schema of the stored records by `schema`.
    pub(crate) fn open(schema: Schema, before: &Declared) -> Result<Opened> {
        let flaw = |error| Error::new("open", ErrorKind::Schema).caused_by(error);
        let old = before.schema.as_deref().map(Schema::from_json).transpose().map_err(flaw)?;
        let old = old.map(|old| as_hashed(&old, &schema)).transpose().map_err(flaw)?;
        if let Some(old) = &old {
            schema.succeed(old).map_err(flaw)?;
        }
        let (mut moves, mut reindexed) = (Vec::new(), Vec::new());
        let mut kinds = Self { schema, strays: BTreeMap::new() };
        let (known, unknown): (Vec<_>, Vec<_>) =
            before.strays.iter().partition(|(_, name)| kinds.schema.named(name).is_some());
        let used = |kinds: &Self, number| {
            kinds.schema.kind(number).is_some()
                || kinds.strays.contains_key(&number)
                || before.strays.contains_key(&number)
        };
        for (number, name) in unknown {
            let mut own = *number;
            if kinds.schema.kind(own).is_some() {
                own = free(|number| used(&kinds, number)).ok_or_else(too_many)?;
                moves.push((*number, own));
            }
            kinds.strays.insert(own, stray(own, name));
        }
        for (number, name) in known {
            let Some(kind) = kinds.schema.named(name) else { continue };
            if kind.number() != *number {
                moves.push((*number, kind.number()));
            }
            reindexed.push(kind.number());
        }
        for kind in kinds.schema.kinds() {
            let before = old.as_ref().and_then(|old| old.named(kind.name()));
            if indexed(kind) != before.map(|before| indexed(before)).unwrap_or_default() {
                reindexed.push(kind.number());
            }
        }
        Ok(Opened { kinds, moves: in_order(moves), reindexed })
    }

    /// Returns the app's schema.
    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Returns the kind with that number.
    pub(crate) fn kind(&self, number: KindNumber) -> Option<&Arc<Kind>> {
        self.schema.kind(number).or_else(|| self.strays.get(&number))
    }

    /// Returns the kind with that name.
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Kind>> {
        let stray = || self.strays.values().find(|kind| kind.name() == name);
        self.schema.named(name).or_else(stray)
    }

    /// Returns all kinds.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Kind>> {
        self.schema.kinds().iter().chain(self.strays.values())
    }

    /// Adds a kind that the schema does not have.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] if there are too many, since later schemas need numbers, too.
    pub(crate) fn adopt(&mut self, name: &str) -> Result<Arc<Kind>> {
        if STRAYS <= self.strays.len() {
            return Err(too_many());
        }
        let used = |number| self.kind(number).is_some();
        let number = free(used).ok_or_else(too_many)?;
        let kind = stray(number, name);
        self.strays.insert(number, kind.clone());
        Ok(kind)
    }

    /// What the storage should keep.
    pub(crate) fn declared(&self) -> Declared {
        let name = |(number, kind): (&KindNumber, &Arc<Kind>)| (*number, kind.name().to_owned());
        let schema = Some(self.schema.to_json());
        Declared { schema, strays: self.strays.iter().map(name).collect() }
    }
}

/// LIMIT: kinds that the schema does not have. A server has 64 kinds at most, and may have had
/// others before.
const STRAYS: usize = 100;

/// A kind of which only the name is known.
fn stray(number: KindNumber, name: &str) -> Arc<Kind> {
    Arc::new(Kind::new(number.get(), name.to_owned()))
}

/// The greatest unused number. Schemas begin with the smallest numbers.
fn free(is_used: impl Fn(KindNumber) -> bool) -> Option<KindNumber> {
    (3..=u8::MAX).rev().map(KindNumber::new).find(|number| !is_used(*number))
}

fn too_many() -> Error {
    Error::new("open", ErrorKind::Protocol).caused_by("there are too many unknown kinds")
}

/// Orders moves so that no number is taken before it is free.
fn in_order(moves: Vec<(KindNumber, KindNumber)>) -> Vec<(KindNumber, KindNumber)> {
    let (mut left, mut ordered) = (moves, Vec::new());
    while !left.is_empty() {
        let is_free = |to: KindNumber| !left.iter().any(|(from, _)| *from == to);
        // Each number is left at most once, for one that is unused or given by a schema. So there
        // is no circle, and the last choice only keeps the loop finite.
        let at = left.iter().position(|(_, to)| is_free(*to)).unwrap_or(0);
        ordered.push(left.remove(at));
    }
    ordered
}

/// A schema file does not contain the content hash. On a device nothing depends on it.
fn as_hashed(
    old: &Schema,
    new: &Schema,
) -> std::result::Result<Schema, haumana_sync::schema::SchemaError> {
    let kinds = old.kinds().iter().map(|kind| {
        let hashed = new.named(kind.name()).map(|now| now.hashed().clone()).unwrap_or_default();
        Kind::clone(kind).content_hash(hashed)
    });
    Schema::new(kinds)
}

/// The numbers of the fields of a kind that have an index.
pub(crate) fn indexed(kind: &Kind) -> Vec<u16> {
    let indexed = kind.fields().iter().filter(|field| field.is_indexed());
    indexed.map(haumana_sync::schema::Field::number).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use haumana_sync::schema::{Field, FieldType};

    fn schema(kinds: &[(u8, &'static str)]) -> Schema {
        let kind = |(number, name): &(u8, &'static str)| {
            Kind::new(*number, *name).field(Field::new(1, "title", FieldType::text(9)).required(""))
        };
        Schema::new(kinds.iter().map(kind)).unwrap()
    }

    fn n(number: u8) -> KindNumber {
        KindNumber::new(number)
    }

    #[test]
    fn an_unknown_kind_has_a_number_of_its_own_until_a_schema_gives_it_one() {
        let mut kinds = Kinds::open(schema(&[(3, "a")]), &Declared::default()).unwrap().kinds;

        let stray = kinds.adopt("b").unwrap();
        let opened = Kinds::open(schema(&[(3, "a"), (4, "b")]), &kinds.declared()).unwrap();

        assert_eq!(n(255), stray.number());
        assert_eq!(vec![(n(255), n(4))], opened.moves);
        assert_eq!(1, opened.kinds.named("b").unwrap().fields().len());
    }

    #[test]
    fn an_unknown_kind_makes_room_for_a_declared_one() {
        let before = Declared {
            schema: None,
            strays: BTreeMap::from([(n(5), "b".to_owned()), (n(6), "c".to_owned())]),
        };

        let opened = Kinds::open(schema(&[(5, "c"), (6, "d")]), &before).unwrap();

        assert_eq!(vec![(n(5), n(255)), (n(6), n(5))], opened.moves);
        assert_eq!(n(255), opened.kinds.named("b").unwrap().number());
    }

    #[test]
    fn a_server_that_names_kinds_without_end_leaves_numbers_for_the_next_schema() {
        let mut kinds = Kinds::open(schema(&[(3, "a")]), &Declared::default()).unwrap().kinds;
        let adopted = (0..300).filter(|n| kinds.adopt(&format!("k{n}")).is_ok()).count();

        assert_eq!(STRAYS, adopted);
        for number in 4..=250 {
            let next = Kinds::open(schema(&[(3, "a"), (number, "b")]), &kinds.declared());
            assert!(next.is_ok(), "{number}");
        }
    }

    #[test]
    fn a_schema_that_does_not_succeed_the_last_one_is_refused() {
        let before =
            Declared { schema: Some(schema(&[(3, "a")]).to_json()), ..Declared::default() };

        let error = Kinds::open(schema(&[(4, "a")]), &before).unwrap_err();

        assert_eq!(ErrorKind::Schema, error.kind());
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!("kind a: a kind keeps its number", why);
    }

    #[test]
    fn the_schema_of_pieces_and_sessions_succeeds_itself() {
        let schema = haumana_sync::repertoire::schema();
        let kinds = Kinds::open(schema.clone(), &Declared::default()).unwrap().kinds;

        let opened = Kinds::open(schema, &kinds.declared()).unwrap();

        assert!(opened.moves.is_empty() && opened.reindexed.is_empty());
    }
}
