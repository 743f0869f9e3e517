//! Points and spans of time of the host's records, typed. The fields themselves are milliseconds.

use crate::{Duration, Timestamp, millis};

macro_rules! timestamps {
    ($($record:ty { $($field:ident),+ })*) => {$(
        impl $record {$(
            #[doc = concat!("The field `", stringify!($field), "`, typed.")]
            pub fn $field(&self) -> Timestamp {
                Timestamp::from_millis(self.$field)
            }
        )+}
    )*};
}

macro_rules! optional_timestamps {
    ($($record:ty { $($field:ident),+ })*) => {$(
        impl $record {$(
            #[doc = concat!("The field `", stringify!($field), "`, typed.")]
            pub fn $field(&self) -> Option<Timestamp> {
                self.$field.map(Timestamp::from_millis)
            }
        )+}
    )*};
}

macro_rules! optional_durations {
    ($($record:ty { $($field:ident),+ })*) => {$(
        impl $record {$(
            #[doc = concat!("The field `", stringify!($field), "`, typed.")]
            pub fn $field(&self) -> Option<Duration> {
                self.$field.map(millis)
            }
        )+}
    )*};
}

timestamps! {
    crate::customers::Customer { created_at }
    crate::customers::Consent { at }
    crate::inventory::Level { updated_at }
    crate::orders::Order { placed_at }
    crate::orders::Shipment { shipped_at }
    crate::carts::Cart { created_at, updated_at }
    crate::support::Ticket { created_at, updated_at }
    crate::support::Message { at }
    crate::reviews::Review { at }
    crate::market::CompetitorPrice { at }
    crate::market::PriceChange { at }
}

optional_timestamps! {
    crate::customers::Standing { first_order_at, last_order_at }
    crate::inventory::Level { incoming_at }
    crate::orders::Order { cancelled_at, expected_delivery }
    crate::orders::Shipment { delivered_at }
}

optional_durations! {
    crate::customers::Standing { order_interval, decision_time }
}
