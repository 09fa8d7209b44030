//! The rules for parts, without input or output: the file a part is written to, and the parts that make the blob.

use crate::blobs::tables::{PartPlace, PartRow, PartTotals};

use crate::blobs::BlobError;
use crate::blobs::names::{self, PartNumber};

/// Whether part `number` follows the appended parts: they are exactly 1..number, so that the main file's hash state is
/// that of all bytes before it. A part of this number in a file of its own does not matter: it is replaced.
pub(super) fn follows_appended(number: PartNumber, totals: &PartTotals) -> bool {
    totals.appended == totals.last_appended && totals.last_appended + 1 == number.get()
}

/// The recorded state of an upload when one of its parts begins.
pub(super) struct Recorded {
    pub(super) totals: PartTotals,
    /// The part with the number before the new one.
    pub(super) previous: Option<PartRow>,
    /// An earlier part of the same number.
    pub(super) earlier: Option<PartRow>,
}

/// Returns the end of the main file's parts before `number`, and the saved hash of all bytes up to there, if it is of
/// use: to append, or to tell whether a repeated part has the same bytes. Part 1 has nothing before it.
pub(super) fn before(number: PartNumber, recorded: &Recorded) -> Option<(u64, Option<&[u8]>)> {
    let repeats = matches!(&recorded.earlier, Some(PartRow { place: PartPlace::Appended { .. }, .. }));
    if !repeats && !follows_appended(number, &recorded.totals) {
        return None;
    }
    match &recorded.previous {
        None if number.get() == 1 => Some((0, None)),
        Some(PartRow { size_bytes, place: PartPlace::Appended { start, hash_state }, .. }) => {
            Some((start + size_bytes, Some(hash_state)))
        }
        _ => None,
    }
}

/// Returns the recorded parts that a client's list names, in order.
///
/// # Errors
/// [`BlobError::MissingParts`] unless the numbers are exactly 1..=n, in any order, each with its ETag.
pub(super) fn choose(recorded: &[PartRow], listed: Vec<(PartNumber, String)>) -> Result<Vec<PartRow>, BlobError> {
    let mut chosen = Vec::with_capacity(listed.len());
    for (number, etag) in names::in_sequence(listed)? {
        let found = recorded.binary_search_by_key(&number.get(), |part| part.number).ok().map(|i| &recorded[i]);
        let part = found.filter(|part| part.etag == etag).ok_or(BlobError::MissingParts)?;
        chosen.push(part.clone());
    }
    Ok(chosen)
}

/// The plan for making one file of the chosen parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Assembly {
    /// Number of parts at the beginning that lie in the main file, hashed.
    pub(super) appended: usize,
    /// Bytes in those parts.
    pub(super) appended_bytes: u64,
    /// Whether the rest may be written after them in the main file. Otherwise bytes of other recorded parts lie there,
    /// which must stay until the upload is finished, and the blob is assembled in a new file.
    pub(super) in_main: bool,
}

/// Returns the plan with the longest beginning that is hashed already.
pub(super) fn plan(chosen: &[PartRow], totals: &PartTotals) -> Assembly {
    let appended = chosen.iter().take_while(|part| matches!(part.place, PartPlace::Appended { .. })).count();
    let appended_bytes = chosen[..appended].iter().map(|part| part.size_bytes).sum();
    // Any further parts in the main file would be cut off or overwritten.
    let in_main = totals.appended as usize == appended;
    Assembly { appended, appended_bytes, in_main }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: u32, appended: bool) -> PartRow {
        let place = if appended {
            PartPlace::Appended { start: u64::from(number - 1) * 10, hash_state: vec![] }
        } else {
            PartPlace::OwnFile { name: format!("part-{number}") }
        };
        PartRow { number, size_bytes: 10, etag: format!("e{number}"), place }
    }

    fn totals(appended: u32, last_appended: u32) -> PartTotals {
        PartTotals { parts: last_appended, size_bytes: 0, appended, last_appended }
    }

    #[test]
    fn only_the_next_part_is_appended() {
        let follows = |n, t| follows_appended(PartNumber::new(n).unwrap(), &t);
        assert!(follows(1, totals(0, 0)));
        assert!(!follows(2, totals(0, 0)), "part 1 is missing");
        assert!(follows(4, totals(3, 3)));
        assert!(!follows(3, totals(3, 3)), "its bytes must stay until it is replaced");
        assert!(!follows(4, totals(2, 3)), "an earlier part was replaced, so the state is not of these bytes");
    }

    #[test]
    fn a_list_names_every_part_once_with_its_etag() {
        let recorded = [row(1, true), row(2, false), row(3, false)];
        let list = |parts: &[(u32, &str)]| {
            choose(&recorded, parts.iter().map(|(n, e)| (PartNumber::new(*n).unwrap(), (*e).to_owned())).collect())
        };
        assert_eq!(list(&[(1, "e1"), (2, "\"e2\""), (3, "e3")]).unwrap().len(), 3);
        assert_eq!(list(&[(2, "e2"), (1, "e1")]).unwrap().len(), 2, "order does not matter");
        assert_eq!(list(&[]).unwrap().len(), 0);
        let refused: [&[(u32, &str)]; 7] = [
            &[(2, "e2")],
            &[(1, "e1"), (3, "e3")],
            &[(1, "e1"), (1, "e1")],
            &[(1, "e2")],
            &[(1, "\"e1")],
            &[(1, "")],
            &[(1, "e1"), (2, "e2"), (3, "e3"), (4, "e4")],
        ];
        for parts in refused {
            assert!(matches!(list(parts), Err(BlobError::MissingParts)), "{parts:?}");
        }
    }

    #[test]
    fn received_bytes_are_never_overwritten() {
        let assembly = |chosen: &[PartRow], t| plan(chosen, &t);
        let in_order = [row(1, true), row(2, true)];
        assert_eq!(assembly(&in_order, totals(2, 2)), Assembly { appended: 2, appended_bytes: 20, in_main: true });
        assert!(!assembly(&in_order, totals(3, 3)).in_main, "part 3 must stay if this does not come to its end");
        let mixed = [row(1, true), row(2, false)];
        assert_eq!(assembly(&mixed, totals(1, 1)), Assembly { appended: 1, appended_bytes: 10, in_main: true });
        assert!(!assembly(&mixed, totals(2, 3)).in_main, "part 3 lies after part 1 in the main file");
    }
}
