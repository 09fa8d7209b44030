//! `systemd-units`: the units of the NixOS module, for machines without Nix.
//!
//! `nixos/units` has them as the module makes them; the tests keep them so. Why each directive is there:
//! `nixos/common/hardening.nix`, `nixos/appview/service.nix`.

use server::console::Units;

/// The units of the registry.
pub(super) const UNITS: Units = Units {
    program: super::PROGRAM,
    files: &[
        ("atcr-appview.socket", include_str!("../../../nixos/units/atcr-appview.socket")),
        ("atcr-appview.service", include_str!("../../../nixos/units/atcr-appview.service")),
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
