//! Layers of an image with the commands that made them.

use super::shown;
use crate::images::{BuildStep, ImageConfig, ManifestDetails};

/// Longest command; longer ones are cut.
const MAX_COMMAND_CHARS: usize = 2000;

/// A build step, with its layer if it made one.
pub(super) struct Step {
    pub(super) command: Option<String>,
    /// Size and digest of the layer, if the step made one.
    pub(super) layer: Option<(String, String)>,
}

/// Returns the steps of an image in order. If the history's non-empty steps are not as many as the layers, it does not
/// belong to them: then the layers have no commands.
pub(super) fn steps(details: &ManifestDetails, config: Option<&ImageConfig>) -> Vec<Step> {
    let mut layers = details.layers.iter().map(|layer| (shown::size(layer.size_bytes), layer.digest.to_string()));
    let history = config.map(|config| config.history.as_slice()).unwrap_or_default();
    if history.iter().filter(|step| !step.empty_layer).count() != details.layers.len() {
        return layers.map(|layer| Step { command: None, layer: Some(layer) }).collect();
    }
    let step = |step: &BuildStep| Step {
        command: command(&step.created_by),
        layer: if step.empty_layer { None } else { layers.next() },
    };
    history.iter().map(step).collect()
}

/// Returns a command without the wrapping of the builder.
fn command(text: &str) -> Option<String> {
    let text = server::text::line(text, MAX_COMMAND_CHARS)?;
    let text = text.strip_suffix("# buildkit").map_or(text.as_str(), str::trim_end);
    let text = text.strip_prefix("/bin/sh -c #(nop)").map_or(text, str::trim_start);
    let run = text.strip_prefix("RUN /bin/sh -c ").or_else(|| text.strip_prefix("/bin/sh -c "));
    let plain = run.map(|run| format!("RUN {run}"));
    Some(plain.unwrap_or_else(|| text.to_owned())).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::NamedContent;
    use atproto::syntax::Digest;

    #[test]
    fn layers_have_their_commands_where_the_history_fits() {
        let layer = |byte| NamedContent {
            media_type: String::new(),
            digest: Digest::from_bytes([byte; 32]),
            size_bytes: 5,
            platform: None,
            annotations: Vec::new(),
        };
        let details = ManifestDetails { layers: vec![layer(1), layer(2)], ..ManifestDetails::default() };
        let step = |text: &str, empty_layer| BuildStep { created_by: text.into(), empty_layer };
        let mut config = ImageConfig {
            history: vec![
                step("/bin/sh -c #(nop)  ADD file:1 in / ", false),
                step("ENV A=b", true),
                step("RUN /bin/sh -c make # buildkit", false),
            ],
            ..ImageConfig::default()
        };
        let shown = |config: &ImageConfig| {
            let steps = steps(&details, Some(config)).into_iter();
            steps.map(|step| (step.command.unwrap_or_default(), step.layer.is_some())).collect::<Vec<_>>()
        };
        let expected = [("ADD file:1 in /", true), ("ENV A=b", false), ("RUN make", true)];
        assert_eq!(shown(&config), expected.map(|(text, has)| (text.to_owned(), has)));
        config.history.pop();
        assert_eq!(shown(&config), [(String::new(), true), (String::new(), true)]);
        assert_eq!(command("/bin/sh -c echo a"), Some("RUN echo a".into()));
    }
}
