//! `support-actions`.

use shopwright_model::support::{Priority, Status};
use shopwright_policy::ActionKind;

use crate::{Performed, Surface};

pub(crate) fn register(surface: &mut impl Surface) {
    let interface = "support-actions";
    surface.action(interface, "assign", assign, Performed::receipt);
    surface.action(interface, "set-priority", set_priority, Performed::receipt);
    surface.action(interface, "set-status", set_status, Performed::receipt);
    surface.action(interface, "reply", reply, Performed::receipt);
    surface.action(interface, "note", note, Performed::receipt);
    surface.action(interface, "tag", tag, Performed::receipt);
}

type Assign = (String, String, Option<String>, String);

fn assign((ticket, team, assignee, reason): Assign) -> Result<ActionKind, String> {
    Ok(ActionKind::Assign { ticket, team, assignee, reason })
}

fn set_priority((ticket, priority, reason): (String, Priority, String)) -> Result<ActionKind, String> {
    Ok(ActionKind::SetPriority { ticket, priority, reason })
}

fn set_status((ticket, status, reason): (String, Status, String)) -> Result<ActionKind, String> {
    Ok(ActionKind::SetStatus { ticket, status, reason })
}

fn reply((ticket, text): (String, String)) -> Result<ActionKind, String> {
    Ok(ActionKind::Reply { ticket, text })
}

fn note((ticket, text): (String, String)) -> Result<ActionKind, String> {
    Ok(ActionKind::Note { ticket, text })
}

fn tag((ticket, tags): (String, Vec<String>)) -> Result<ActionKind, String> {
    Ok(ActionKind::Tag { ticket, tags })
}
