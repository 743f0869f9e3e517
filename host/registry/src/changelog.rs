//! What is new in a version: its section of `CHANGELOG.md`, as <https://keepachangelog.com> has it.

use semver::Version;

/// What the file is called.
pub const FILE_NAME: &str = "CHANGELOG.md";

/// The section of that version, without its heading: from the heading that names it to the next heading of its
/// level or above. None where no heading names it.
pub fn section(text: &str, version: &Version) -> Option<String> {
    let mut level = 0;
    let mut lines: Vec<&str> = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        let depth = if fenced { 0 } else { line.bytes().take_while(|byte| *byte == b'#').count() };
        if level == 0 {
            level = if depth > 0 && names(line, version) { depth } else { 0 };
        } else if depth > 0 && depth <= level {
            break;
        } else {
            lines.push(line);
        }
    }
    let text = lines.join("\n").trim().to_owned();
    (level > 0 && !text.is_empty()).then_some(text)
}

/// Whether a heading names the version: `## 1.2.0`, `## [1.2.0] - 2026-03-01`, `# v1.2.0`.
fn names(heading: &str, version: &Version) -> bool {
    let words = heading.trim_start_matches('#').split(|c: char| c.is_whitespace() || "[]()".contains(c));
    let mut words = words.filter(|word| !word.is_empty()).map(|word| word.strip_prefix('v').unwrap_or(word));
    words.any(|word| word.trim_end_matches(':').parse::<Version>().is_ok_and(|named| named == *version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_s_own_section_is_found() {
        let text = "# Changelog\n\n## [Unreleased]\n- more\n\n## [1.2.0] - 2026-03-01\n### Added\n- SMS.\n\n```\n# no heading\n```\n\n## v1.1.0\n- Less.\n## 1.0.0\n";
        let of = |version: &str| section(text, &version.parse().unwrap());
        assert_eq!(of("1.2.0").as_deref(), Some("### Added\n- SMS.\n\n```\n# no heading\n```"));
        assert_eq!(of("1.1.0").as_deref(), Some("- Less."));
        assert_eq!(of("1.0.0"), None, "nothing is said of it");
        assert_eq!(of("1.2.1"), None);
    }
}
