//! What the checks of an object find, each with the path of its field.

use serde_json::Value;

use crate::problem::{Code, Severity};

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// How bad it is.
    pub(crate) severity: Severity,
    /// The field, from the top of the object.
    pub(crate) field: String,
    /// What is wrong.
    pub(crate) message: String,
    /// What sort of thing.
    pub(crate) code: Code,
}

impl Finding {
    /// A broken rule.
    pub(crate) fn error(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            field: field.into(),
            message: message.into(),
            code: Code::Invalid,
        }
    }

    /// Whether it keeps the object out of force.
    pub(crate) fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// The collector. It stands at one place of the content and moves with the closures.
pub(crate) struct Findings<'a> {
    /// The value at the current place as it was written; `None` where nothing is.
    written: Option<&'a Value>,
    path: String,
    found: Vec<Finding>,
}

impl<'a> Findings<'a> {
    /// Stands at the content's root, which has `path` in the object.
    pub(crate) fn new(root: &'a Value, path: &str) -> Self {
        Self {
            written: Some(root),
            path: path.to_owned(),
            found: Vec::new(),
        }
    }

    /// What was found, in the order of the checks.
    pub(crate) fn into_found(self) -> Vec<Finding> {
        self.found
    }

    /// Something is wrong right here.
    pub(crate) fn error(&mut self, message: impl Into<String>) {
        self.found.push(Finding::error(self.path.clone(), message));
    }

    /// Something is wrong with a field below.
    pub(crate) fn error_at(&mut self, field: &str, message: impl Into<String>) {
        self.field(field, |findings| findings.error(message));
    }

    /// Passes on what a rule says about a field below.
    pub(crate) fn rule(&mut self, field: &str, verdict: Result<(), String>) {
        if let Err(message) = verdict {
            self.error_at(field, message);
        }
    }

    /// Passes on what a rule says about right here.
    pub(crate) fn rule_here(&mut self, verdict: Result<(), String>) {
        if let Err(message) = verdict {
            self.error(message);
        }
    }

    /// The object works, and something about a field looks wrong.
    pub(crate) fn warn_at(&mut self, field: &str, code: Code, message: impl Into<String>) {
        self.field(field, |findings| {
            findings.found.push(Finding {
                severity: Severity::Warning,
                field: findings.path.clone(),
                message: message.into(),
                code,
            });
        });
    }

    /// A field below must be there.
    pub(crate) fn required(&mut self, field: &str, present: bool) {
        if !present {
            self.error_at(field, "Required value");
        }
    }

    /// Takes the text of a field below, if it was written, to have at least so many characters.
    pub(crate) fn min_length(&mut self, field: &str, least: usize) {
        if self
            .written_text(field)
            .is_some_and(|text| text.chars().count() < least)
        {
            self.field(field, |findings| findings.too_short(least));
        }
    }

    /// The text right here must have at least so many characters, and has not.
    pub(crate) fn too_short(&mut self, least: usize) {
        let path = self.path.clone();
        self.error(format!(
            "Invalid value: \"\": {path} in body should be at least {least} chars long"
        ));
    }

    /// Takes the text of a field below to have at most so many characters.
    pub(crate) fn max_length(&mut self, field: &str, text: &str, most: usize) {
        if text.chars().count() > most {
            self.error_at(
                field,
                format!("Too long: may not be more than {most} bytes"),
            );
        }
    }

    /// Takes a list below to have at most so many items.
    pub(crate) fn max_items(&mut self, field: &str, items: usize, most: usize) {
        if items > most {
            self.error_at(
                field,
                format!("Too many: {items}: must have at most {most} items"),
            );
        }
    }

    /// Takes the texts of a list below to be there.
    pub(crate) fn no_empty_texts<T: AsRef<str>>(&mut self, field: &str, texts: &[T]) {
        self.each(field, texts, |findings, text| {
            if text.as_ref().is_empty() {
                findings.too_short(1);
            }
        });
    }

    /// The text right here must match a pattern, and does not.
    pub(crate) fn no_match(&mut self, text: &str, pattern: &str) {
        let path = self.path.clone();
        self.error(format!(
            "Invalid value: \"{text}\": {path} in body should match '{pattern}'"
        ));
    }

    /// Whether a field below was written, even if with its default.
    pub(crate) fn is_written(&self, field: &str) -> bool {
        self.written.is_some_and(|value| value.get(field).is_some())
    }

    /// The text of a field below as it was written; `None` where there is none.
    pub(crate) fn written_text(&self, field: &str) -> Option<&'a str> {
        self.written?.get(field)?.as_str()
    }

    /// How many of the fields were written.
    pub(crate) fn count_written(&self, fields: &[&str]) -> usize {
        fields.iter().filter(|field| self.is_written(field)).count()
    }

    /// At most one of the fields may be written.
    pub(crate) fn at_most_one(&mut self, fields: &[&str]) {
        if self.count_written(fields) > 1 {
            self.error(format!(
                "Invalid value: at most one of [{}] may be set",
                fields.join(", ")
            ));
        }
    }

    /// Goes to a field below.
    pub(crate) fn field<R>(&mut self, name: &str, visit: impl FnOnce(&mut Self) -> R) -> R {
        let (length, written) = (self.path.len(), self.written);
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(name);
        self.written = written.and_then(|value| value.get(name));
        let result = visit(self);
        self.path.truncate(length);
        self.written = written;
        result
    }

    /// Goes to each item of a list below.
    pub(crate) fn each<T>(
        &mut self,
        name: &str,
        items: &[T],
        mut visit: impl FnMut(&mut Self, &T),
    ) {
        self.field(name, |findings| {
            let (length, written) = (findings.path.len(), findings.written);
            for (index, item) in items.iter().enumerate() {
                findings.path.push_str(&format!("[{index}]"));
                findings.written = written.and_then(|value| value.get(index));
                visit(findings, item);
                findings.path.truncate(length);
            }
            findings.written = written;
        });
    }

    /// Goes to a field below if it is there.
    pub(crate) fn some<T>(
        &mut self,
        name: &str,
        value: Option<&T>,
        visit: impl FnOnce(&mut Self, &T),
    ) {
        if let Some(value) = value {
            self.field(name, |findings| visit(findings, value));
        }
    }
}
