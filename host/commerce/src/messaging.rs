//! `messaging`: to customers and to the shop's own people.

use shopwright_model::messaging::{Email, Sms};
use shopwright_policy::ActionKind;

use crate::{Performed, Surface};

pub(crate) fn register(surface: &mut impl Surface) {
    surface.action(
        "messaging",
        "send-email",
        |(email,): (Email,)| Ok(ActionKind::SendEmail(email)),
        Performed::receipt,
    );
    surface.action("messaging", "send-sms", |(sms,): (Sms,)| Ok(ActionKind::SendSms(sms)), Performed::receipt);
    surface.action("messaging", "notify-staff", notify_staff, Performed::receipt);
}

fn notify_staff((channel, text, data): (String, String, String)) -> Result<ActionKind, String> {
    Ok(ActionKind::NotifyStaff { channel, text, data: object_or_empty(data) })
}

/// Nothing counts as the empty object.
fn object_or_empty(data: String) -> String {
    if data.trim().is_empty() { "{}".into() } else { data }
}
