//! Settings from the environment of a function. They are read once, at cold start.
//!
//! A function reads its settings before the first event. If one is missing or wrong, the process
//! ends with a message that names the variable. So a deployment shows at once that it is broken. No
//! setting is read while a request is answered.
//!
//! Functions read the variables through a [`Lookup`] and not from the process, so that a test can
//! give them a map.

use std::fmt;

/// The source of variables: the process, or a test.
///
/// ```
/// use haumana_lambda::environment::{EnvironmentError, list, number};
///
/// let lookup = |name: &str| match name {
///     "DAYS" => Some("90".to_owned()),
///     "ORIGINS" => Some(" https://a.example, https://b.example ,".to_owned()),
///     _ => None,
/// };
///
/// assert_eq!(Ok(90), number(&lookup, "DAYS"));
/// assert_eq!(2, list(&lookup, "ORIGINS").len());
/// assert_eq!(Err(EnvironmentError::Missing("YEARS")), number(&lookup, "YEARS"));
/// ```
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A variable that is missing, or has a value that cannot be used.
///
/// It names the variable and never shows its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvironmentError {
    /// It is not set, or empty.
    Missing(&'static str),
    /// Its value is not of the form that the text describes.
    Invalid(&'static str, &'static str),
}

impl fmt::Display for EnvironmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "the environment variable {name} is missing"),
            // The value is not shown: it may be a secret that was put into the wrong place.
            Self::Invalid(name, wanted) => {
                write!(f, "the environment variable {name} is not {wanted}")
            }
        }
    }
}

impl std::error::Error for EnvironmentError {}

/// Reads a variable that must be set.
///
/// # Errors
///
/// [`EnvironmentError::Missing`] if it is not set, or blank.
pub fn required(lookup: Lookup<'_>, name: &'static str) -> Result<String, EnvironmentError> {
    optional(lookup, name).ok_or(EnvironmentError::Missing(name))
}

/// Reads a variable that may be missing. A blank one counts as missing.
pub fn optional(lookup: Lookup<'_>, name: &'static str) -> Option<String> {
    lookup(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// Reads a whole number.
///
/// # Errors
///
/// [`EnvironmentError`] if it is missing, or is no whole number.
pub fn number(lookup: Lookup<'_>, name: &'static str) -> Result<u32, EnvironmentError> {
    let value = required(lookup, name)?;
    value.parse().map_err(|_| EnvironmentError::Invalid(name, "a whole number"))
}

/// Reads a comma-separated list. A missing one is an empty list.
///
/// Blanks around items are dropped, and so are empty items.
pub fn list(lookup: Lookup<'_>, name: &'static str) -> Vec<String> {
    let value = optional(lookup, name).unwrap_or_default();
    let items = value.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "BLANK" => Some("  ".to_owned()),
            "WORD" => Some("kai".to_owned()),
            "NUMBER" => Some(" 90 ".to_owned()),
            "LIST" => Some("a, b,,c ".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn a_missing_variable_is_named() {
        for name in ["NONE", "BLANK"] {
            let error = required(&lookup, name).unwrap_err();
            assert_eq!(format!("the environment variable {name} is missing"), error.to_string());
        }
    }

    #[test]
    fn a_wrong_value_is_not_repeated() {
        let error = number(&lookup, "WORD").unwrap_err();

        assert_eq!("the environment variable WORD is not a whole number", error.to_string());
    }

    #[test]
    fn numbers_and_lists_may_have_blanks() {
        assert_eq!(Ok(90), number(&lookup, "NUMBER"));
        assert_eq!(["a", "b", "c"].map(str::to_owned).to_vec(), list(&lookup, "LIST"));
        assert!(list(&lookup, "NONE").is_empty());
    }
}
