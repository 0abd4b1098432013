//! Metrics as lines of the log, in CloudWatch's embedded metric format.
//!
//! One line an invocation, on standard output, from which CloudWatch makes metrics by itself: no
//! call, no agent. There is nothing in it but numbers and the function's name.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use haumana_app::wire::Counts;
use haumana_store_dynamo::Consumed;
use haumana_sync::time::UnixMillis;
use serde_json::{Value, json};

/// The namespace of all metrics.
pub const NAMESPACE: &str = "Haumana";

/// Names and units, in the order in which `Sample::values` gives their values.
pub const METRICS: [(&str, &str); 10] = [
    ("Syncs", "Count"),
    ("Pushed", "Count"),
    ("Pulled", "Count"),
    ("Merged", "Count"),
    ("Conflicts", "Count"),
    ("Rejected", "Count"),
    ("ReadUnits", "Count"),
    ("WriteUnits", "Count"),
    ("Retries", "Count"),
    ("ColdStart", "Count"),
];

/// What one invocation did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// What a sync came to; `None`: it was none, or failed.
    pub sync: Option<Counts>,
    /// What the store consumed.
    pub consumed: Consumed,
    /// Whether it was the first of its process.
    pub is_cold: bool,
}

impl Sample {
    fn values(&self) -> [f64; METRICS.len()] {
        let counts = self.sync.unwrap_or_default();
        let count = |n: usize| n as f64;
        [
            f64::from(u8::from(self.sync.is_some())),
            count(counts.pushed),
            count(counts.pulled),
            count(counts.merged),
            count(counts.conflicts),
            count(counts.rejected),
            self.consumed.read_units,
            self.consumed.write_units,
            self.consumed.retries as f64,
            f64::from(u8::from(self.is_cold)),
        ]
    }

    /// Writes the line for `function`, stamped `now`.
    pub fn line(&self, function: &str, now: UnixMillis) -> String {
        let listed: Vec<Value> =
            METRICS.iter().map(|(name, unit)| json!({"Name": name, "Unit": unit})).collect();
        let mut line = json!({
            "_aws": {
                "Timestamp": now.0,
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": [["Function"]],
                    "Metrics": listed,
                }],
            },
            "Function": function,
        });
        for ((name, _), value) in METRICS.iter().zip(self.values()) {
            line[*name] = value.into();
        }
        line.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_declared_once_and_has_a_value() {
        let consumed = Consumed { read_units: 0.5, retries: 7, ..Consumed::default() };
        let sync = Some(Counts { pushed: 3, ..Counts::default() });
        let sample = Sample { sync, consumed, is_cold: false };

        let line: Value =
            serde_json::from_str(&sample.line("sync-lambda", UnixMillis(1_750_000_000_000)))
                .unwrap();

        let declared = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
        assert_eq!(METRICS.len(), declared.len());
        for metric in declared {
            assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{metric}");
        }
        assert_eq!(Some(1.0), line["Syncs"].as_f64());
        assert_eq!(Some(3.0), line["Pushed"].as_f64());
        assert_eq!(Some(0.5), line["ReadUnits"].as_f64());
        assert_eq!(Some(7.0), line["Retries"].as_f64());
        assert_eq!(Some(1_750_000_000_000), line["_aws"]["Timestamp"].as_i64());
        assert_eq!("sync-lambda", line["Function"]);
    }
}
