//! The statements: one for each call, so that each call is one transaction and one round trip.
//!
//! All statements are written for `READ COMMITTED`, where a statement sees what was committed when
//! it began, and an `UPDATE` that waited for a lock looks at its condition again.
//!
//! # Names
//!
//! The name of the schema is put into the text, so no session needs a `search_path`. That is safe
//! because [`schema::is_name`](crate::schema::is_name) admits letters, digits and `_` only. Values
//! are always parameters.
//!
//! | alias | table |
//! |---|---|
//! | `h` | `heads` |
//! | `r`, `w`, `s` | `records` |
//! | `t`, `o` | `history` |
//! | `a` | arrays of parameters, as rows |
//!
//! # Locks
//!
//! Everything that writes rows of an account first takes the lock of its head. So two calls never
//! deadlock, and no commit can insert rows between the statements of an erasure.
//!
//! | statement | lock of the head |
//! |---|---|
//! | commit | that of its `UPDATE` or `INSERT` |
//! | purge, sweep | `FOR NO KEY UPDATE` |
//! | erase, erase again | `FOR UPDATE` |

use crate::journal::{carried_of, floors_of, lives_of, name_of};
use crate::rows::{ENVELOPE, HEAD, HISTORY, INDEX};

/// LIMIT: a page of changes ends before the record that exceeds this. So a page does not fill the
/// memory, however many records are asked for.
const PAGE_BYTES: usize = 16 << 20;

/// Whether this program could have written the key of an entry of the history. If somebody has
/// changed a key by hand, the entry is ignored and takes no place in a page.
const IS_READABLE_KEY: &str =
    "t.version BETWEEN 0 AND 4294967295 AND t.side BETWEEN 0 AND 4294967295";

/// The text of each statement, with the schema's name in it.
///
/// Written once when the store is opened. The text is also the key under which a connection keeps
/// the prepared statement.
#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) head: String,
    pub(crate) read: String,
    pub(crate) index: String,
    pub(crate) changes_after_place: String,
    pub(crate) changes_after_stamp: String,
    pub(crate) history: String,
    pub(crate) history_of: String,
    pub(crate) first_commit: String,
    pub(crate) next_commit: String,
    /// Notifies only if the head is still the one of this commit. A refused commit sends no
    /// notification. Neither does one that was overtaken, because the later commit notifies for
    /// both.
    pub(crate) tell: String,
    pub(crate) purge: String,
    /// Locks a head for an erasure and returns number and epoch of the account.
    pub(crate) lock_head: String,
    pub(crate) note_erasure: String,
    pub(crate) lives: String,
    pub(crate) floors: String,
    pub(crate) carried: String,
    pub(crate) erased_floor: String,
    pub(crate) carry_keys: String,
    pub(crate) carry_floors: String,
    pub(crate) due_users: String,
    pub(crate) purge_some: String,
    pub(crate) heads: String,
    /// Like `lock_head`, but returns the whole head: a replayed erasure builds the next one from
    /// it.
    pub(crate) lock_life: String,
    pub(crate) empty_head: String,
    pub(crate) erasing: String,
    pub(crate) users: String,
    pub(crate) user_history: String,
    pub(crate) kept_schema: String,
    /// Compares and replaces in one statement. If it returns no row, another text is kept.
    pub(crate) keep_schema: String,
    /// The head is not deleted: its row stays as the marker that tells devices of the erasure.
    pub(crate) erase: [String; 2],
}

impl Statements {
    /// Writes the statements for a schema.
    pub(crate) fn of(schema: &str) -> Self {
        let heads = format!("{schema}.heads h");
        let (of_user, journal) = ("h.subject = $1", name_of(schema));
        let note_floor = format!("INSERT INTO {journal}.floors AS f (account, floor)");
        let keep_larger = "ON CONFLICT (account)
            DO UPDATE SET floor = GREATEST(f.floor, excluded.floor)";
        Self {
            head: format!("SELECT {HEAD} FROM {heads} WHERE {of_user}"),
            read: format!(
                "SELECT a.place, {ENVELOPE}
                 FROM {heads}
                 CROSS JOIN unnest($2::smallint[], $3::uuid[]) WITH ORDINALITY AS a(kind, id, place)
                 JOIN {schema}.records r ON (r.account, r.kind, r.id) = (h.account, a.kind, a.id)
                 WHERE {of_user}"
            ),
            index: format!(
                "SELECT {INDEX} FROM {heads} JOIN {schema}.records r ON r.account = h.account
                 WHERE {of_user} AND r.kind = $2 ORDER BY r.id"
            ),
            changes_after_place: changes(schema, "$3::bigint", "$4::smallint", "$5::uuid"),
            changes_after_stamp: changes(
                schema,
                // The stamps of a user never decrease, so everything from there on is stamped
                // later.
                &format!(
                    "(SELECT s.revision FROM {schema}.records s
                      WHERE s.account = h.account AND $3::bigint < s.stamp
                      ORDER BY s.stamp, s.revision LIMIT 1)"
                ),
                "(-1)::smallint",
                "'00000000-0000-0000-0000-000000000000'::uuid",
            ),
            history: format!(
                "SELECT a.place, {HISTORY}
                 FROM {heads}
                 CROSS JOIN unnest($2::smallint[], $3::uuid[], $4::bigint[], $5::bigint[])
                     WITH ORDINALITY AS a(kind, id, version, side, place)
                 JOIN {schema}.history t ON (t.account, t.kind, t.id, t.version, t.side)
                     = (h.account, a.kind, a.id, a.version, a.side)
                 WHERE {of_user}"
            ),
            history_of: format!(
                "SELECT {HISTORY} FROM {heads} JOIN {schema}.history t ON t.account = h.account
                 WHERE {of_user} AND t.kind = $2 AND t.id = $3 AND t.version < $4
                     AND {IS_READABLE_KEY}
                 ORDER BY t.version DESC, t.side LIMIT $5"
            ),
            first_commit: commit(schema, &first_head(schema)),
            next_commit: commit(schema, &next_head(schema)),
            tell: format!(
                "SELECT pg_notify('{schema}', $3::text) FROM {heads}
                 WHERE {of_user} AND h.commit_id = $2"
            ),
            // The head's lock keeps commits out. Otherwise two calls that change the same rows in
            // another order would deadlock.
            purge: format!(
                "WITH head AS MATERIALIZED (
                     SELECT h.account FROM {heads} WHERE {of_user} FOR NO KEY UPDATE
                 )
                 DELETE FROM {schema}.history t USING head
                 WHERE t.account = head.account AND t.at < $2"
            ),
            lock_head: format!(
                "SELECT h.account, h.epoch, h.max_version FROM {heads} WHERE {of_user} FOR UPDATE"
            ),
            note_erasure: format!(
                "WITH noted AS ({note_floor} SELECT $2::uuid, $3::bigint {keep_larger})
                 INSERT INTO {journal}.lives (life) VALUES ($1) ON CONFLICT DO NOTHING"
            ),
            lives: lives_of(&journal),
            floors: floors_of(&journal),
            carried: carried_of(&journal),
            erased_floor: format!(
                "SELECT max(floor) FROM {journal}.floors WHERE account = ANY($1::uuid[])"
            ),
            carry_keys: format!(
                "INSERT INTO {journal}.carried SELECT unnest($1::bytea[]) ON CONFLICT DO NOTHING"
            ),
            carry_floors: format!(
                "{note_floor} SELECT unnest($1::uuid[]), unnest($2::bigint[]) {keep_larger}"
            ),
            due_users: format!(
                "SELECT u.subject, EXISTS (
                     SELECT FROM {schema}.history t WHERE t.account = u.account AND t.at < $2
                 )
                 FROM (
                     SELECT h.subject, h.account FROM {heads}
                     WHERE $1 < h.subject ORDER BY h.subject LIMIT $3
                 ) u
                 ORDER BY u.subject"
            ),
            purge_some: format!(
                "WITH head AS MATERIALIZED (
                     SELECT h.account FROM {heads} WHERE {of_user} FOR NO KEY UPDATE
                 )
                 DELETE FROM {schema}.history t
                 USING (
                     SELECT o.account, o.kind, o.id, o.version, o.side
                     FROM {schema}.history o JOIN head ON o.account = head.account
                     WHERE o.at < $2 ORDER BY o.at LIMIT $3
                 ) d
                 WHERE (t.account, t.kind, t.id, t.version, t.side)
                     = (d.account, d.kind, d.id, d.version, d.side)
                 RETURNING 1"
            ),
            heads: format!(
                "SELECT h.subject, h.epoch FROM {heads}
                 WHERE $1 < h.subject ORDER BY h.subject LIMIT $2"
            ),
            lock_life: format!("SELECT {HEAD} FROM {heads} WHERE {of_user} FOR UPDATE"),
            empty_head: format!(
                "UPDATE {schema}.heads SET revision = $2, commit_id = $3, state = $4,
                     max_version = $6
                 WHERE subject = $1 RETURNING account, pg_notify('{schema}', $5::text)"
            ),
            erasing: format!("SELECT h.subject FROM {heads} WHERE h.state = $1 LIMIT $2"),
            users: format!(
                "SELECT h.subject FROM {heads} WHERE $1 < h.subject ORDER BY h.subject LIMIT $2"
            ),
            user_history: format!(
                "SELECT {HISTORY} FROM {heads} JOIN {schema}.history t ON t.account = h.account
                 WHERE {of_user} AND ($2, $3) <= (t.kind, t.id)
                     AND (($2, $3) < (t.kind, t.id) OR t.version < $4
                          OR (t.version = $4 AND $5 < t.side))
                 ORDER BY t.kind, t.id, t.version DESC, t.side LIMIT $6"
            ),
            kept_schema: format!("SELECT served FROM {schema}.haumana"),
            keep_schema: format!(
                "UPDATE {schema}.haumana SET served = $2::bytea
                 WHERE served IS NOT DISTINCT FROM $1::bytea OR served = $2::bytea
                 RETURNING version"
            ),
            erase: ["records", "history"]
                .map(|table| format!("DELETE FROM {schema}.{table} WHERE account = $1")),
        }
    }
}

/// One page behind a place, and the head at that moment, in one snapshot. The sizes of the records
/// decide how many fit, and only these are read whole. `$2` is one more than the limit.
///
/// Somebody may have changed a row by hand. A row with a kind that is not valid is ignored, so that
/// each page has a record behind which the next one begins. A row without a size counts as empty.
///
/// The innermost part reads the index `stream` behind the place, and sums sizes in its order. The
/// parts around it cut where [`PAGE_BYTES`] is exceeded and report the cut. The contents are joined
/// last, so contents beyond the cut are never read.
///
/// A record counts 256 bytes besides its content.
fn changes(schema: &str, revision: &str, kind: &str, id: &str) -> String {
    format!(
        "SELECT {HEAD}, d.is_cut, {ENVELOPE}
         FROM {schema}.heads h
         LEFT JOIN LATERAL (
             SELECT m.* FROM (
                 SELECT n.*, bool_or({PAGE_BYTES} < n.before_bytes) OVER () AS is_cut
                 FROM (
                     SELECT w.account, w.revision, w.kind, w.id,
                            sum(coalesce(w.size_bytes, 0) + 256)
                                OVER (ORDER BY w.revision, w.kind, w.id)
                                - coalesce(w.size_bytes, 0) - 256 AS before_bytes
                     FROM {schema}.records w
                     WHERE w.account = h.account
                       AND (w.revision, w.kind, w.id) > ({revision}, {kind}, {id})
                       AND w.kind BETWEEN 0 AND 255
                     ORDER BY w.revision, w.kind, w.id LIMIT $2
                 ) n
             ) m
             WHERE m.before_bytes <= {PAGE_BYTES}
         ) d ON TRUE
         LEFT JOIN {schema}.records r ON (r.account, r.kind, r.id) = (d.account, d.kind, d.id)
         WHERE h.subject = $1
         ORDER BY d.revision, d.kind, d.id"
    )
}

/// Inserts a head where there must be none. Of two such commits the second waits for the first, and
/// then does nothing.
///
/// Parameters 16 to 18 are the expected head; all are null here. They are in the text, so that both
/// kinds of commit have the same list of parameters.
fn first_head(schema: &str) -> String {
    let current = is_current(schema);
    format!(
        "INSERT INTO {schema}.heads
            (subject, epoch, revision, stamp, generation, versions, content, records, bytes,
             max_version, commit_id, state, erased_at, purged_at, notes)
         SELECT $1::text, $2::bigint, $3::bigint, $4::bigint, $5::bigint, $6::uuid, $7::uuid,
                $8::bigint, $9::bigint, $10::bigint, $11::uuid, $12::smallint, $13::bigint,
                $14::bigint, $15::bytea
         WHERE coalesce($16::bigint, $17::bigint) IS NULL AND $18::uuid IS NULL AND {current}
         ON CONFLICT (subject) DO NOTHING
         RETURNING account"
    )
}

/// Replaces the expected head. Of two such commits the second waits for the first. Then the head is
/// another one, and the second does nothing.
fn next_head(schema: &str) -> String {
    let current = is_current(schema);
    format!(
        "UPDATE {schema}.heads
         SET epoch = $2, revision = $3, stamp = $4, generation = $5, versions = $6, content = $7,
             records = $8, bytes = $9, max_version = $10, commit_id = $11, state = $12,
             erased_at = $13, purged_at = $14, notes = $15
         WHERE subject = $1 AND epoch = $16 AND revision = $17 AND commit_id = $18 AND {current}
         RETURNING account"
    )
}

/// Whether this handle may still commit. A newer program may have changed the tables, or another
/// server may have begun a new life after a restore.
///
/// It is a part of the condition on the head, so it is checked in the same statement that writes,
/// and costs no round trip.
fn is_current(schema: &str) -> String {
    format!(
        "EXISTS (SELECT FROM {schema}.haumana own
                 WHERE own.version = $35::integer AND own.generation = $36::bigint)"
    )
}

/// One statement, so that a commit is sent, done or undone as a whole.
///
/// Only `head` can find nothing to do. If it returns no row, the cross joins have nothing to
/// insert, and the statement changes nothing.
///
/// Arrays have one element per record or entry. `$1` to `$15` are the new head, `$16` to `$18` the
/// expected one, `$19` to `$27` records, `$28` to `$34` history, `$35` and `$36` what
/// [`is_current`] compares.
fn commit(schema: &str, head: &str) -> String {
    format!(
        "WITH head AS ({head}),
         put_records AS (
             INSERT INTO {schema}.records
                 (account, kind, id, version, revision, stamp, modified_at, deleted, hash, format,
                  size_bytes, content, meta)
             SELECT head.account, a.kind, a.id, a.version, $3::bigint, $4::bigint, a.modified_at,
                    a.deleted, a.hash, a.format, length(a.content), a.content, a.meta
             FROM head CROSS JOIN unnest(
                 $19::smallint[], $20::uuid[], $21::bigint[], $22::bigint[], $23::boolean[],
                 $24::uuid[], $25::integer[], $26::bytea[], $27::bytea[]
             ) AS a(kind, id, version, modified_at, deleted, hash, format, content, meta)
             ON CONFLICT (account, kind, id) DO UPDATE
             SET version = excluded.version, revision = excluded.revision, stamp = excluded.stamp,
                 modified_at = excluded.modified_at, deleted = excluded.deleted,
                 hash = excluded.hash, format = excluded.format, size_bytes = excluded.size_bytes,
                 content = excluded.content, meta = excluded.meta
         ),
         put_history AS (
             INSERT INTO {schema}.history (account, kind, id, version, side, at, content, meta)
             SELECT head.account, a.kind, a.id, a.version, a.side, a.at, a.content, a.meta
             FROM head CROSS JOIN unnest(
                 $28::smallint[], $29::uuid[], $30::bigint[], $31::bigint[], $32::bigint[],
                 $33::bytea[], $34::bytea[]
             ) AS a(kind, id, version, side, at, content, meta)
             ON CONFLICT (account, kind, id, version, side) DO UPDATE
             SET at = excluded.at, content = excluded.content, meta = excluded.meta
         )
         SELECT account FROM head"
    )
}
