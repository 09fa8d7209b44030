//! `systemd-units`: the units of the NixOS module, for machines without Nix.
//!
//! `nixos/units` has them as the module makes them; the tests keep them so. Why each directive is there:
//! `nixos/common/hardening.nix`, `nixos/hold/service.nix`.

use server::console::Units;

/// The units of the hold.
pub(super) const UNITS: Units = Units {
    program: super::PROGRAM,
    files: &[
        ("atcr-hold.socket", include_str!("../../../nixos/units/atcr-hold.socket")),
        ("atcr-hold.service", include_str!("../../../nixos/units/atcr-hold.service")),
    ],
};

#[cfg(test)]
mod tests {
    use super::UNITS;

    #[test]
    fn what_the_command_is_told_has_one_place_in_the_units() {
        let all: String = UNITS.files.iter().map(|(_, text)| *text).collect();
        for place in UNITS.places() {
            assert_eq!(all.matches(&place).count(), 1, "{place}");
        }
        assert_eq!(all.matches("/usr/bin").count(), 1);
    }
}
