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
        ("atcr-appview-backup.service", include_str!("../../../nixos/units/atcr-appview-backup.service")),
        ("atcr-appview-backup.timer", include_str!("../../../nixos/units/atcr-appview-backup.timer")),
    ],
};

#[cfg(test)]
mod tests {
    use super::UNITS;

    #[test]
    fn what_the_command_is_told_has_one_place_in_the_units() {
        let [program, config, group] = UNITS.places();
        for (name, text) in UNITS.files {
            let is_service = usize::from(name.ends_with(".service"));
            assert_eq!(text.matches("/usr/bin").count(), is_service, "{name}");
            assert_eq!([&program, &config].map(|place| text.matches(place).count()), [is_service; 2], "{name}");
            assert_eq!(text.matches(&group).count(), usize::from(name.ends_with(".socket")), "{name}");
        }
    }
}
