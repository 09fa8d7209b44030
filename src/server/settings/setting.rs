//! The description of an option.

/// The description of an option, the only one: parsing, checks, reload and the manual use it.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its path in the TOML file, like `server.addr`. A part in angle brackets stands for any key:
    /// `tiers.<name>.quota`.
    pub name: &'static str,
    /// The path of an earlier version, which still works.
    pub old_name: Option<&'static str>,
    /// The environment variable that sets it.
    pub variable: Option<&'static str>,
    /// Another variable that sets it, where `variable` is unset.
    pub alias: Option<&'static str>,
    /// The kind of its value.
    pub kind: SettingKind,
    /// Its value when nothing sets it.
    pub default: Default,
    /// Whether a change takes effect at a reload.
    pub reload: Reload,
    /// Its effect, in Markdown of one line.
    pub doc: &'static str,
}

/// The kind of an option's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number,
    /// A list of texts; in a variable they are separated by commas.
    List,
    /// A text that is never shown. It may also come from the file that `<VARIABLE>_FILE` names, or from a systemd
    /// credential with the name of the variable.
    Secret,
    /// A secret whose variable names its file. Without the variable: a systemd credential with its name.
    SecretFile,
}

/// The default value of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// This value, as TOML.
    Toml(&'static str),
    /// No value, or one derived from something else, described in these words.
    Words(&'static str),
}

/// When a change of an option takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// At the next reload.
    Live,
    /// At the next start.
    Restart,
}

/// Declares `OPTIONS`, all options of a program in the order of its manual. The columns: when a change takes effect
/// ([`Reload`]), path `(was "former.path")`, `["VARIABLE"]` `(or "SECOND_VARIABLE")`, kind ([`SettingKind`]), default
/// ([`enum@Default`]) `=>` effect, in Markdown of one line.
#[macro_export]
macro_rules! options {
    ($($reload:ident $name:literal $((was $old:literal))? $([$variable:literal])? $((or $alias:literal))? $kind:ident
       $default:ident($value:literal) => $doc:literal;)*) => {
        /// All options of the program, in the order of the manual.
        pub const OPTIONS: &[$crate::settings::Setting] = &[$($crate::settings::Setting {
            name: $name,
            old_name: $crate::options!(@maybe $($old)?),
            variable: $crate::options!(@maybe $($variable)?),
            alias: $crate::options!(@maybe $($alias)?),
            kind: $crate::settings::SettingKind::$kind,
            default: $crate::settings::Default::$default($value),
            reload: $crate::settings::Reload::$reload,
            doc: $doc,
        }),*];
    };
    (@maybe) => { None };
    (@maybe $text:literal) => { Some($text) };
}

impl Setting {
    /// Returns the path up to the part that stands for any key: `tiers` of `tiers.<name>.quota`.
    #[must_use]
    pub fn root(&self) -> &'static str {
        let end = self.name.find(".<").or_else(|| self.name.find(".\"<"));
        &self.name[..end.unwrap_or(self.name.len())]
    }

    /// Whether its value must not be shown.
    pub(super) fn is_secret(&self) -> bool {
        matches!(self.kind, SettingKind::Secret | SettingKind::SecretFile)
    }
}

/// Returns the one of `known` whose `key` is near to `word`, which was probably meant.
pub(super) fn nearest<'k>(
    word: &str,
    known: impl IntoIterator<Item = &'k str>,
    key: impl Fn(&'k str) -> &'k str,
) -> Option<&'k str> {
    let far = |name: &&'k str| strsim::damerau_levenshtein(word, key(name));
    // A third of its letters wrong is a slip of the hand; more is another word.
    known.into_iter().min_by_key(far).filter(|name| far(name) <= word.len() / 3)
}

/// Returns the options as a Markdown table.
#[must_use]
pub fn markdown(settings: &[Setting]) -> String {
    let mut text = "| TOML | variable | default | reload | |\n|---|---|---|---|---|\n".to_owned();
    for setting in settings {
        let variables = setting.variable.into_iter().chain(setting.alias);
        let variable = variables.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let default = match setting.default {
            Default::Toml(value) => format!("`{value}`"),
            Default::Words(words) => words.to_owned(),
        };
        let reload = if setting.reload == Reload::Live { "yes" } else { "restart" };
        text += &format!("| `{}` | {variable} | {default} | {reload} | {} |\n", setting.name, setting.doc);
    }
    text
}
