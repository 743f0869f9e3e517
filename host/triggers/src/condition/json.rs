//! A JSON document as CEL values, without converting it: an object or list is a reference into the
//! document, and what is in it becomes a value when the expression reaches it.

use std::collections::HashMap;
use std::sync::OnceLock;

use cel::ExecutionError;
use cel::common::traits::{Adder, Container, Indexer, Iterable, Iterator as CelIterator, Sizer, Zeroer};
use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, Kind, Type};
use cel::common::value::{CowVal, Val};
use serde_json::Value;

/// `value` as a CEL value that borrows it. Whole numbers are `int` (`uint` above its range), others `double`.
pub(super) fn lazy<'v>(value: &'v Value) -> Box<dyn Val + 'v> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(truth) => Box::new(CelBool::from(*truth)),
        Value::Number(number) => {
            if let Some(number) = number.as_i64() {
                Box::new(CelInt::from(number))
            } else if let Some(number) = number.as_u64() {
                Box::new(cel::common::types::CelUInt::from(number))
            } else {
                // Every JSON number that is no integer reads as a float.
                Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN)))
            }
        }
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Array(items) => Box::new(List { items, built: OnceLock::new() }),
        Value::Object(fields) => Box::new(Object { fields, built: OnceLock::new() }),
    }
}

/// An object of the document.
#[derive(Debug)]
struct Object<'v> {
    fields: &'v serde_json::Map<String, Value>,
    /// Its fields as CEL values, for what needs them all.
    built: OnceLock<CelMap<'v>>,
}

impl<'v> Object<'v> {
    fn built(&self) -> &CelMap<'v> {
        self.built.get_or_init(|| {
            let fields: HashMap<CelMapKey<'v>, Box<dyn Val + 'v>> =
                self.fields.iter().map(|(key, value)| (CelMapKey::from(key.as_str()), lazy(value))).collect();
            CelMap::from(fields)
        })
    }
}

impl Val for Object<'_> {
    fn get_type(&self) -> &Type {
        CelMap::cel_type()
    }

    fn cel_type() -> &'static Type {
        CelMap::cel_type()
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'w>(&'b self) -> Option<&'b (dyn Indexer + 'w)>
    where
        Self: 'w,
    {
        Some(self)
    }

    fn as_iterable<'b, 'w>(&'b self) -> Option<&'b (dyn Iterable + 'w)>
    where
        Self: 'w,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn as_zeroer(&self) -> Option<&dyn Zeroer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        let (Some(indexer), Some(sizer)) = (other.as_indexer(), other.as_sizer()) else { return false };
        other.get_type().kind() == Kind::Map
            && *sizer.size().inner() == self.fields.len() as i64
            && self.fields.iter().all(|(key, value)| {
                indexer.get(&CelString::from(key.as_str())).is_ok_and(|other| lazy(value).equals(other.as_ref()))
            })
    }

    fn clone_as_boxed<'w>(&self) -> Box<dyn Val + 'w>
    where
        Self: 'w,
    {
        Box::new(Self { fields: self.fields, built: OnceLock::new() })
    }
}

impl Indexer for Object<'_> {
    fn get<'b, 'w>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'w>, ExecutionError>
    where
        Self: 'w,
    {
        let Some(name) = key.downcast_ref::<CelString>() else { return self.built().get(key) };
        match self.fields.get(name.inner()) {
            Some(value) => Ok(CowVal::Owned(lazy(value))),
            None => Err(ExecutionError::no_such_key(name.inner())),
        }
    }

    fn steal<'w>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'w>, ExecutionError>
    where
        Self: 'w,
    {
        self.get(key).map(CowVal::into_owned)
    }
}

impl Container for Object<'_> {
    fn contains(&self, key: &dyn Val) -> Result<bool, ExecutionError> {
        match key.downcast_ref::<CelString>() {
            Some(name) => Ok(self.fields.contains_key(name.inner())),
            None => self.built().contains(key),
        }
    }
}

impl Iterable for Object<'_> {
    fn iter<'b, 'w>(&'b self) -> Box<dyn CelIterator<'b, 'w> + 'b>
    where
        Self: 'w,
    {
        Iterable::iter(self.built())
    }
}

impl Sizer for Object<'_> {
    fn size(&self) -> CelInt {
        (self.fields.len() as i64).into()
    }
}

impl Zeroer for Object<'_> {
    fn is_zero_value(&self) -> bool {
        self.fields.is_empty()
    }
}

/// A list of the document.
#[derive(Debug)]
struct List<'v> {
    items: &'v [Value],
    /// Its items as CEL values, for loops.
    built: OnceLock<CelList<'v>>,
}

impl<'v> List<'v> {
    fn built(&self) -> &CelList<'v> {
        self.built.get_or_init(|| CelList::from(self.items.iter().map(lazy).collect::<Vec<Box<dyn Val + 'v>>>()))
    }
}

impl Val for List<'_> {
    fn get_type(&self) -> &Type {
        CelList::cel_type()
    }

    fn cel_type() -> &'static Type {
        CelList::cel_type()
    }

    fn as_adder<'b, 'w>(&'b self) -> Option<&'b (dyn Adder + 'w)>
    where
        Self: 'w,
    {
        Some(self)
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'w>(&'b self) -> Option<&'b (dyn Indexer + 'w)>
    where
        Self: 'w,
    {
        Some(self)
    }

    fn as_iterable<'b, 'w>(&'b self) -> Option<&'b (dyn Iterable + 'w)>
    where
        Self: 'w,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn as_zeroer(&self) -> Option<&dyn Zeroer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        let (Some(indexer), Some(sizer)) = (other.as_indexer(), other.as_sizer()) else { return false };
        other.get_type().kind() == Kind::List
            && *sizer.size().inner() == self.items.len() as i64
            && self.items.iter().enumerate().all(|(index, value)| {
                indexer.get(&CelInt::from(index as i64)).is_ok_and(|other| lazy(value).equals(other.as_ref()))
            })
    }

    fn clone_as_boxed<'w>(&self) -> Box<dyn Val + 'w>
    where
        Self: 'w,
    {
        Box::new(Self { items: self.items, built: OnceLock::new() })
    }
}

impl Adder for List<'_> {
    fn add<'b, 'w>(&'b self, other: &(dyn Val + 'w)) -> Result<CowVal<'b, 'w>, ExecutionError>
    where
        Self: 'w,
    {
        self.built().add(other)
    }
}

impl Indexer for List<'_> {
    fn get<'b, 'w>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'w>, ExecutionError>
    where
        Self: 'w,
    {
        let item = index.downcast_ref::<CelInt>().and_then(|index| usize::try_from(*index.inner()).ok());
        match item.and_then(|index| self.items.get(index)) {
            Some(item) => Ok(CowVal::Owned(lazy(item))),
            // Says what is wrong with the index.
            None => self.built().get(index),
        }
    }

    fn steal<'w>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'w>, ExecutionError>
    where
        Self: 'w,
    {
        self.get(index).map(CowVal::into_owned)
    }
}

impl Container for List<'_> {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.items.iter().any(|item| lazy(item).equals(value)))
    }
}

impl Iterable for List<'_> {
    fn iter<'b, 'w>(&'b self) -> Box<dyn CelIterator<'b, 'w> + 'b>
    where
        Self: 'w,
    {
        Iterable::iter(self.built())
    }
}

impl Sizer for List<'_> {
    fn size(&self) -> CelInt {
        (self.items.len() as i64).into()
    }
}

impl Zeroer for List<'_> {
    fn is_zero_value(&self) -> bool {
        self.items.is_empty()
    }
}
