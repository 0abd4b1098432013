//! Metrics as lines of the log, in CloudWatch's embedded metric format.
//!
//! Each invocation prints one line on standard output. CloudWatch makes metrics of it by itself,
//! without a call and without an agent. The line contains only numbers.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
//!
//! All functions share one set of metrics without dimensions. CloudWatch bills each combination of
//! name and dimensions as a metric, and the first ten of an account are free. A metric whose
//! average is a rate is written as 0, too. The others are written only if there is something to
//! count, so that lines stay short. Numbers that are not metrics, such as units, are in the same
//! line, for queries of the log.

use haumana_app::wire::Counts;
use haumana_store_dynamo::Consumed;
use haumana_sync::time::UnixMillis;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Every metric, by the name that alarms and the dashboard use.
///
/// - `Failed`: 1 for a call that was answered with 5xx, else 0.
/// - `Refused`: 1 for a token that was refused, else 0. The function that verifies it writes it.
/// - `Limited`: calls that were answered with 429.
/// - `Ms`: how long a call took.
/// - `Conflicts`: values that lost in a sync. Also written as 0, so that the number of samples is
///   the number of syncs.
/// - `Pushed`, `Pulled`: records.
/// - `Retries`: requests to the tables that were sent again.
pub const METRICS: [&str; 8] =
    ["Failed", "Refused", "Limited", "Ms", "Conflicts", "Pushed", "Pulled", "Retries"];

/// What the authorizer, or the function itself, found about a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is good. Its user may be blocked all the same.
    Good,
    /// It is not good.
    Refused,
    /// Nobody can tell, because the keys cannot be fetched.
    Unverified,
}

/// The numbers of one call of a function of the API.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// The status of the answer.
    pub status: u16,
    /// How long it took.
    pub time: Duration,
    /// The counts of a sync. `None`: it was not a sync, or it failed.
    pub sync: Option<Counts>,
    /// What the store consumed.
    pub consumed: Consumed,
    /// What the function found about the token. `None`: there was no token, or the authorizer
    /// verified it.
    pub verdict: Option<Verdict>,
    /// Whether it was the first call of its process.
    pub is_cold: bool,
}

impl Sample {
    /// Writes the line under a namespace, stamped `now`.
    pub fn line(&self, namespace: &str, now: UnixMillis) -> String {
        let is_over = |n: f64| Some(n).filter(|n| 0.0 < *n);
        let sync = self.sync.map(|counts| {
            [counts.conflicts, counts.pushed, counts.pulled].map(|count| count as f64)
        });
        let metrics = [
            ("Failed", Some(flag((500..600).contains(&self.status)))),
            ("Refused", self.verdict.map(|verdict| flag(verdict == Verdict::Refused))),
            ("Limited", is_over(flag(self.status == 429))),
            ("Ms", Some(ms(self.time))),
            ("Conflicts", sync.map(|[conflicts, ..]| conflicts)),
            ("Pushed", sync.and_then(|[_, pushed, _]| is_over(pushed))),
            ("Pulled", sync.and_then(|[.., pulled]| is_over(pulled))),
            ("Retries", is_over(self.consumed.retries as f64)),
        ];
        let facts = [
            ("read_units", is_over(self.consumed.read_units)),
            ("write_units", is_over(self.consumed.write_units)),
            ("cold", is_over(flag(self.is_cold))),
        ];
        line(namespace, now, &metrics, &facts)
    }
}

/// Writes the line of one verdict of the authorizer.
///
/// `Failed` is 1 if the keys could not be fetched: an operator must look at that. It is 0 for a
/// token that is not good: that is the caller's problem.
pub fn verdict_line(namespace: &str, now: UnixMillis, verdict: Verdict, time: Duration) -> String {
    let is = |wanted: Verdict| Some(flag(verdict == wanted));
    let metrics = [
        ("Failed", is(Verdict::Unverified)),
        ("Refused", is(Verdict::Refused)),
        ("Ms", Some(ms(time))),
    ];
    line(namespace, now, &metrics, &[])
}

/// Milliseconds, to a tenth.
fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

type Named = (&'static str, Option<f64>);

/// A value that is `None` is left out. A metric is declared in the line, and its value is a member
/// of the line. A fact is a member alone.
fn line(namespace: &str, now: UnixMillis, metrics: &[Named], facts: &[Named]) -> String {
    let there = |(name, value): &Named| Some((*name, (*value)?));
    let names: Vec<Value> =
        metrics.iter().filter_map(there).map(|(name, _)| json!({ "Name": name })).collect();
    let declared = json!([{ "Namespace": namespace, "Dimensions": [[]], "Metrics": names }]);
    let mut line = Map::new();
    line.insert("_aws".to_owned(), json!({ "Timestamp": now.0, "CloudWatchMetrics": declared }));
    for (name, value) in metrics.iter().chain(facts).filter_map(there) {
        line.insert(name.to_owned(), number(value));
    }
    Value::Object(line).to_string()
}

/// Whole numbers are written without a point, because that is shorter.
fn number(value: f64) -> Value {
    match value.fract() == 0.0 && value.abs() < 1e15 {
        true => Value::from(value as i64),
        false => Value::from(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_750_000_000_000);

    fn read(line: &str) -> (Value, Vec<String>) {
        let line: Value = serde_json::from_str(line).unwrap();
        let declared = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
        let names = declared.iter().map(|metric| metric["Name"].as_str().unwrap().to_owned());
        let names = names.collect();
        (line, names)
    }

    #[test]
    fn every_declared_metric_is_known_and_has_a_value() {
        let consumed = Consumed { read_units: 0.5, retries: 7, ..Consumed::default() };
        let sync = Some(Counts { pushed: 3, pulled: 2, conflicts: 1, ..Counts::default() });
        let time = Duration::from_micros(12_340);
        let sample = Sample { status: 429, time, sync, consumed, verdict: None, is_cold: true };

        let (line, names) = read(&sample.line("Haumana/x", NOW));
        let (verdict, of_verdict) = read(&verdict_line("Haumana/x", NOW, Verdict::Refused, time));

        assert_eq!(7, names.len());
        for name in &names {
            assert!(METRICS.contains(&name.as_str()) && line[name].is_number(), "{name}");
        }
        assert_eq!(["Failed", "Refused", "Ms"], of_verdict[..]);
        let told = |name: &str| line[name].as_f64().unwrap();
        assert_eq!(
            [0.0, 1.0, 12.3, 1.0, 3.0],
            ["Failed", "Limited", "Ms", "Conflicts", "Pushed"].map(told)
        );
        assert_eq!([7.0, 0.5, 1.0], ["Retries", "read_units", "cold"].map(told));
        assert_eq!([0, 1], ["Failed", "Refused"].map(|name| verdict[name].as_i64().unwrap()));
        assert_eq!(Some(1_750_000_000_000), line["_aws"]["Timestamp"].as_i64());
        assert_eq!("Haumana/x", line["_aws"]["CloudWatchMetrics"][0]["Namespace"]);
    }

    #[test]
    fn metrics_have_no_dimension_or_each_function_would_be_billed_for_its_own() {
        let (line, _) = read(&Sample { status: 200, ..Sample::default() }.line("Haumana/x", NOW));

        assert_eq!(json!([[]]), line["_aws"]["CloudWatchMetrics"][0]["Dimensions"]);
    }

    #[test]
    fn rates_are_told_when_they_are_0_and_counts_are_not() {
        let sync = Some(Counts::default());
        let (_, of_sync) =
            read(&Sample { status: 200, sync, ..Sample::default() }.line("Haumana/x", NOW));
        let (failed, of_other) = read(&Sample { status: 503, ..Sample::default() }.line("x", NOW));

        assert_eq!(["Failed", "Ms", "Conflicts"], of_sync[..]);
        assert_eq!(["Failed", "Ms"], of_other[..]);
        assert_eq!(1, failed["Failed"]);
    }

    /// The lines that functions print in situations in which alarms must ring, or must not. The
    /// tests of the stack drive its alarms with these lines. Some are Lambda's and API Gateway's
    /// own.
    fn lines() -> Value {
        let call = |sample: Sample| sample.line("Haumana/haumana", NOW);
        let time = Duration::from_millis(12);
        let calm = Sample { status: 200, time, sync: Some(Counts::default()), ..Sample::default() };
        let failed = Sample { status: 503, sync: None, ..calm };
        let retries = Consumed { retries: 6, ..Consumed::default() };
        let lost = Some(Counts { conflicts: 2, pushed: 3, ..Counts::default() });
        let verdict = |verdict| verdict_line("Haumana/haumana", NOW, verdict, time);
        let keys = haumana_auth::authorizer::KEYS;
        json!({
            "calm sync": call(calm),
            "failed call": call(failed),
            "throttled table": call(Sample { consumed: retries, ..failed }),
            "slow call": call(Sample { time: Duration::from_millis(5_000), ..calm }),
            "lost values": call(Sample { sync: lost, ..calm }),
            "limited": call(Sample { status: 429, sync: None, ..calm }),
            "good token": verdict(Verdict::Good),
            "refused token": verdict(Verdict::Refused),
            "refused call": call(Sample { status: 401, sync: None, verdict: Some(Verdict::Refused), ..calm }),
            "served call": call(Sample { verdict: Some(Verdict::Good), ..calm }),
            "no keys, counted": verdict(Verdict::Unverified),
            "no keys": json!({"level": "ERROR", "message": "authorizer", "reason": keys}).to_string(),
            "no keys at a sign-in": json!({"level": "ERROR", "message": "request", "status": 503,
                "code": "unavailable", "reason": keys}).to_string(),
            "cannot start": "cannot start: the environment variable HAUMANA_GENERATION is missing",
            "time-out": "2026-11-28T19:00:00.000Z 1b2c-3d4e Task timed out after 28.00 seconds",
            "exited": "RequestId: 1b2c-3d4e Error: Runtime exited with error: exit status 1",
            "authorizer failure": json!({"status": "500", "failure": "AUTHORIZER_FAILURE"})
                .to_string(),
        })
    }

    #[test]
    fn the_alarms_of_the_stack_are_driven_with_lines_of_the_functions() {
        let kept = include_str!("../../infrastructure/cdk/test/lines.json");

        let lines = format!("{:#}\n", lines());

        assert_eq!(lines, kept, "these belong into infrastructure/cdk/test/lines.json:\n{lines}");
    }

    /// Lines are billed by the byte.
    #[test]
    fn the_line_of_a_sync_without_changes_is_short() {
        let consumed = Consumed { read_units: 1.0, ..Consumed::default() };
        let sample = Sample {
            status: 200,
            time: Duration::from_micros(12_345),
            sync: Some(Counts::default()),
            consumed,
            verdict: None,
            is_cold: false,
        };

        let line = sample.line("Haumana/haumana", NOW);

        assert!(line.len() <= 230, "{} bytes: {line}", line.len());
    }
}
