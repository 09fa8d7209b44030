//! Scopes: the access that a client requests for a token.

use serde::{Deserialize, Serialize};

/// An action in a repository. Other actions that clients request are granted to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Reading.
    Pull,
    /// Writing.
    Push,
    /// Deletion.
    Delete,
}

impl Action {
    const ALL: [Self; 3] = [Self::Pull, Self::Push, Self::Delete];

    /// Whether the action is for the owner alone.
    #[must_use]
    pub fn is_owners(self) -> bool {
        self != Self::Pull
    }

    /// Returns the action as clients write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
        }
    }
}

/// The access requested in one repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The repository, as the client writes it.
    pub repository: String,
    /// Requested actions.
    pub actions: Vec<Action>,
}

/// Maximum number of scopes of a token; clients request one or two.
const MAX_SCOPES: usize = 64;

/// Parses the repository scopes in `texts`, each of which may have several, separated by spaces. Other scopes are left
/// out: a token with less than requested is no error.
pub fn parse_scopes<'t>(texts: impl IntoIterator<Item = &'t str>) -> Vec<Scope> {
    let words = texts.into_iter().flat_map(str::split_ascii_whitespace);
    words.filter_map(parse).take(MAX_SCOPES).collect()
}

/// Parses `repository:<name>:<action>,<action>`; the name may have colons, like that of a host with a port.
fn parse(text: &str) -> Option<Scope> {
    let (kind, rest) = text.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    // The type may have a class, like `repository(plugin)`.
    if kind.split('(').next() != Some("repository") {
        return None;
    }
    let asked = |action: Action| actions.split(',').any(|word| word == action.as_str() || (word == "*" && name != "*"));
    let found: Vec<_> = Action::ALL.into_iter().filter(|action| asked(*action)).collect();
    Some(Scope { repository: name.to_owned(), actions: found })
}

#[cfg(test)]
mod tests {
    use super::{Action, parse_scopes};

    #[test]
    fn scopes_come_in_many_spellings() {
        let parsed = |texts: &[&str]| {
            let scopes = parse_scopes(texts.iter().copied()).into_iter();
            scopes.map(|scope| (scope.repository, scope.actions)).collect::<Vec<_>>()
        };
        let (pull, push) = (vec![Action::Pull], vec![Action::Pull, Action::Push]);
        assert_eq!(parsed(&["repository:a.b/c:pull"]), [("a.b/c".into(), pull.clone())]);
        let both = [("a.b/c".into(), push.clone()), ("a.b/d".into(), pull.clone())];
        assert_eq!(parsed(&["repository:a.b/c:push,pull repository:a.b/d:pull"]), both);
        assert_eq!(parsed(&["repository:a.b/c:push,pull", "repository(plugin):a.b/d:pull,pull"]), both);
        assert_eq!(parsed(&["repository:host:5000/a.b/c:pull"]), [("host:5000/a.b/c".into(), pull)]);
        assert_eq!(parsed(&["repository:*:*"]), [("*".into(), vec![])]);
        let all = vec![Action::Pull, Action::Push, Action::Delete];
        assert_eq!(parsed(&["repository:a.b/c:*"]), [("a.b/c".into(), all)]);
        assert_eq!(parsed(&["repository:a.b/c:delete,Pull,*x"]), [("a.b/c".into(), vec![Action::Delete])]);
        for text in ["", "repository", "repository:a", "registry:catalog:*", "::", " \t"] {
            assert_eq!(parsed(&[text]), [], "{text}");
        }
        assert_eq!(parsed(&["repository:a:pull ".repeat(1000).as_str()]).len(), 64);
    }
}
