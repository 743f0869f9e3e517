//! How customers answered to the shop's newsletters: what tells those who follow other people's
//! opinion from those who follow the price.

use shopwright_model::{
    Millis,
    customers::{Channel, Engagement},
    entity::EngagementDoc,
};

use super::people::{Person, Persona};
use crate::{calendar::DAY, dice::Dice};

/// The monthly letter.
pub const NEWSLETTER: &str = "newsletter";
/// What customers rated best: answered by those who follow other people's opinion.
pub const SOCIAL_PROOF: &str = "social-proof";
/// Offers: answered by those who follow the price.
pub const OFFERS: &str = "offers";

/// What became of the newsletters that were sent to `person`; empty for those who want none.
#[must_use]
pub fn letters(seed: u64, person: &Person, start: Millis) -> Vec<EngagementDoc> {
    let mut dice = Dice::new(seed, &format!("engagement of {}", person.id));
    let months = ((start - person.created_at) / (30 * DAY)).clamp(0, 24) as u32;
    if !person.email_consent || months == 0 {
        return Vec::new();
    }
    let mut count = |template: &str, channel: Channel, sent: u32, opens: f64, clicks: f64| {
        let opened = (0..sent).filter(|_| dice.chance(opens)).count() as u32;
        let clicked = (0..opened).filter(|_| dice.chance(clicks)).count() as u32;
        let engagement = Engagement { channel, template: template.into(), sent, opened, clicked };
        EngagementDoc { customer: person.id.to_string(), engagement }
    };
    let rhythm = &person.rhythm;
    let lapsed = if person.persona == Persona::Lapsed { 0.3 } else { 1.0 };
    let mut all = vec![count(NEWSLETTER, Channel::Email, months, rhythm.opens * 0.8 * lapsed, 0.1)];
    if months >= 2 {
        let sent = (months / 2).max(2);
        all.push(count(
            SOCIAL_PROOF,
            Channel::Email,
            sent,
            (0.2 + 0.7 * rhythm.social_proof) * lapsed,
            rhythm.social_proof * 0.7,
        ));
        let price = rhythm.price_sensitivity;
        all.push(count(OFFERS, Channel::Email, sent, (0.15 + 0.7 * price) * lapsed, price * 0.6));
        if person.sms_consent {
            all.push(count(OFFERS, Channel::Sms, (months / 4).max(1), (0.5 + 0.4 * price) * lapsed, price * 0.6));
        }
    }
    all
}
