//! A paragraph of control data.

/// A paragraph of `deb822(5)`: fields in the order they were written, continuation lines as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Control {
    fields: Vec<(String, String)>,
}

impl Control {
    /// The fields, with their values as written: lines of a longer value are joined by `\n` and keep their first blank.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.fields.iter();
        fields.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of a field, whose name is compared without case.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields();
        fields.find_map(|(field, value)| field.eq_ignore_ascii_case(name).then_some(value))
    }

    /// Adds a field at the end.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.fields.push((name.into(), value.into()));
    }
}
