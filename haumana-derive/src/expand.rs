//! Writes the implementation.

use crate::attributes::{Declared, FieldAttributes, GroupAttributes, KindAttributes};
use crate::names::check;
use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use std::collections::BTreeMap;
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Error, Fields, Ident, Lit, LitStr, Result, Type};

/// One field of the record.
struct Declaration<'a> {
    ident: &'a Ident,
    rust_type: &'a Type,
    number: u16,
    name: String,
    attributes: FieldAttributes,
}

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let kind = KindAttributes::read(input)?;
    let (declarations, skipped) = declarations(input, &kind)?;
    let ident = &input.ident;
    let (name, number) = (&kind.name, kind.number);
    let reads = declarations.iter().map(Declaration::read);
    let writes = declarations.iter().map(Declaration::write);
    let options = options(&kind);
    let groups = kind.groups.iter().map(|group| self::group(group, &declarations));
    let groups = groups.collect::<Result<Vec<_>>>()?;
    for declaration in &declarations {
        if let Some(other) = &declaration.attributes.default_is_field {
            named(other, &declarations)?;
        }
    }
    let fields = declarations.iter().map(|declaration| declaration.field(&declarations));
    let (generics, types, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #generics ::haumana_sync::record::Record for #ident #types #bounds {
            const KIND: &'static str = #name;
            const NUMBER: u8 = #number;

            fn kind() -> ::haumana_sync::schema::Kind {
                ::haumana_sync::schema::Kind::new(#number, #name)
                    #options
                    #(.field(#fields))*
                    #(.group(#groups))*
            }

            fn from_content(content: &::haumana_sync::record::Content) -> Self {
                Self {
                    #(#reads,)*
                    #(#skipped: ::core::default::Default::default(),)*
                }
            }

            fn to_fields(&self) -> ::std::collections::BTreeMap<
                ::std::string::String,
                ::haumana_sync::record::Value,
            > {
                ::std::collections::BTreeMap::from([#(#writes),*])
            }
        }
    })
}

/// The settings of the kind, except its fields.
fn options(kind: &KindAttributes) -> TokenStream {
    let schema = quote!(::haumana_sync::schema);
    let id_key = kind.id_key.iter().map(|key| quote!(.id_key(#key)));
    let deletes = kind.deletes.iter().map(|chosen| quote!(.deletes(#schema::Deletes::#chosen)));
    let unknown = kind.unknown_keys.iter();
    let unknown = unknown.map(|chosen| quote!(.unknown_keys(#schema::UnknownKeys::#chosen)));
    quote!(#(#id_key)* #(#deletes)* #(#unknown)*)
}

fn group(group: &GroupAttributes, declarations: &[Declaration<'_>]) -> Result<TokenStream> {
    let leading = named(&group.leading, declarations)?;
    let fields = group.fields.iter().map(|field| named(field, declarations));
    let fields = fields.collect::<Result<Vec<_>>>()?;
    if !fields.contains(&leading) {
        let message = "the leading field is one of the fields of its group";
        return Err(Error::new_spanned(&group.leading, message));
    }
    let merge = group.merge.iter().map(|merge| {
        let policy = policy(merge, group.leading.span());
        quote!(.merge(#policy))
    });
    Ok(quote!(::haumana_sync::schema::Group::new(#leading, [#(#fields),*]) #(#merge)*))
}

/// The name on the wire of the field with this Rust name.
fn named<'a>(own: &LitStr, declarations: &'a [Declaration<'_>]) -> Result<&'a str> {
    let name = own.value();
    let found = declarations.iter().find(|one| one.ident.unraw() == name.as_str());
    let missing = || Error::new_spanned(own, format!("the struct has no field {name}"));
    found.map(|found| found.name.as_str()).ok_or_else(missing)
}

fn policy(name: &str, span: Span) -> TokenStream {
    let letters = name.char_indices();
    let capital: String =
        letters.map(|(at, one)| if at == 0 { one.to_ascii_uppercase() } else { one }).collect();
    let variant = Ident::new(&capital, span);
    quote!(::haumana_sync::schema::Merge::#variant)
}

fn declarations<'a>(
    input: &'a DeriveInput,
    kind: &KindAttributes,
) -> Result<(Vec<Declaration<'a>>, Vec<&'a Ident>)> {
    let fields = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => &fields.named,
            _ => return Err(Error::new_spanned(&input.ident, "a record has fields with names")),
        },
        _ => return Err(Error::new_spanned(&input.ident, "a record is a struct")),
    };
    let (mut declarations, mut skipped) = (Vec::new(), Vec::new());
    let (mut numbers, mut names) = (BTreeMap::new(), BTreeMap::new());
    let mut last = 0_u16;
    for field in fields {
        // Each field of a struct with named fields has a name.
        let Some(ident) = &field.ident else { continue };
        let attributes = FieldAttributes::read(field)?;
        if attributes.is_skipped {
            skipped.push(ident);
            continue;
        }
        let flaw = |message: String| Error::new_spanned(ident, message);
        let own = ident.unraw().to_string();
        let number = attributes.number.unwrap_or(last.saturating_add(1));
        if let Some(other) = numbers.insert(number, own.clone()) {
            return Err(flaw(format!("another field has the number {number}: {other}")));
        }
        let name = attributes.name.clone().unwrap_or_else(|| kind.case.spell(&own));
        check(&name).map_err(flaw)?;
        if let Some(other) = names.insert(name.clone(), own) {
            return Err(flaw(format!("another field has the name {name}: {other}")));
        }
        last = number;
        let rust_type = &field.ty;
        declarations.push(Declaration { ident, rust_type, number, name, attributes });
    }
    if declarations.is_empty() {
        return Err(Error::new_spanned(&input.ident, "a record has at least one field"));
    }
    Ok((declarations, skipped))
}

impl Declaration<'_> {
    /// The declaration in the schema.
    fn field(&self, all: &[Declaration<'_>]) -> TokenStream {
        let (number, name, rust_type) = (self.number, &self.name, self.rust_type);
        let (said, field_type) = (&self.attributes, self.field_type());
        let typed = quote!(::haumana_sync::record::typed);
        let mut field = quote! {
            ::haumana_sync::schema::Field::new(#number, #name, #field_type)
        };
        if said.declared != Some(Declared::Counter) {
            field = quote_spanned! {said.span=>
                <#rust_type as #typed::FieldValue>::with_default(#field)
            };
        }
        if let Some(default) = &said.default {
            let value = value_of(default);
            field = quote!(#field.default_value(#value));
        }
        if let Some(other) = said.default_is_field.as_ref().and_then(|own| named(own, all).ok()) {
            field = quote!(#field.required_as(#other));
        }
        if said.is_mandatory {
            field = quote!(#field.mandatory());
        }
        if let Some(merge) = &said.merge {
            let policy = policy(merge, said.span);
            field = quote!(#field.merge(#policy));
        }
        if said.is_trimmed {
            field = quote!(#field.trimmed());
        }
        if said.empty_is_absent {
            field = quote!(#field.empty_is_absent());
        }
        if let Some(text) = &said.absent_is {
            field = quote!(#field.absent_is(#text));
        }
        if said.is_indexed {
            field = quote!(#field.indexed());
        }
        field
    }

    fn field_type(&self) -> TokenStream {
        let (rust_type, said) = (self.rust_type, &self.attributes);
        let max = said.max.map(|(_, max)| max);
        let types = quote!(::haumana_sync::schema::FieldType);
        let typed = quote!(::haumana_sync::record::typed);
        let as_a = |of: TokenStream, value: TokenStream| {
            quote_spanned! {said.span=> {
                const fn fits<T: #typed::#of>() {}
                fits::<#rust_type>();
                #value
            }}
        };
        let own = quote_spanned!(said.span=> <#rust_type as #typed::FieldValue>::field_type());
        match &said.declared {
            None => match (said.max, max) {
                (Some(("max_chars", max)), _) => {
                    as_a(quote!(TextValue), quote!(#types::text(#max)))
                }
                (Some(_), Some(max)) => quote!(#typed::derived::limited(#own, #max)),
                _ => own,
            },
            Some(Declared::Lines) => {
                let max =
                    max.map_or(quote!(::haumana_sync::limits::LONG_TEXT_BYTES), |max| quote!(#max));
                as_a(quote!(TextValue), quote!(#types::lines(#max)))
            }
            Some(declared @ (Declared::List | Declared::Set)) => {
                let is_list = *declared == Declared::List;
                let value =
                    max.map_or(own.clone(), |max| quote!(#typed::derived::limited(#own, #max)));
                as_a(if is_list { quote!(ListValue) } else { quote!(SetValue) }, value)
            }
            Some(Declared::Counter) => as_a(quote!(CounterValue), quote!(#types::Counter)),
            Some(Declared::Time) => as_a(quote!(TimeValue), quote!(#types::Time)),
            Some(Declared::Id) => as_a(quote!(IdValue), quote!(#types::Id)),
            Some(Declared::Words { words }) => {
                let open = said.is_open;
                let words = quote! {
                    #types::Enum {
                        words: ::std::vec![#(::std::string::String::from(#words)),*],
                        open: #open,
                    }
                };
                as_a(quote!(TextValue), words)
            }
        }
    }

    fn is_counter(&self) -> bool {
        self.attributes.declared == Some(Declared::Counter)
    }

    fn read(&self) -> TokenStream {
        let (ident, name) = (self.ident, &self.name);
        let derived = quote!(::haumana_sync::record::typed::derived);
        match self.is_counter() {
            true => quote!(#ident: #derived::read_counter(content, #name)),
            false => {
                quote_spanned!(self.attributes.span=> #ident: #derived::read(content, #name))
            }
        }
    }

    fn write(&self) -> TokenStream {
        let (ident, name) = (self.ident, &self.name);
        let typed = quote!(::haumana_sync::record::typed);
        let value = match self.is_counter() {
            true => quote!(#typed::derived::write_counter(self.#ident)),
            false => quote_spanned! {self.attributes.span=>
                #typed::FieldValue::to_value(&self.#ident)
            },
        };
        quote!((::std::string::String::from(#name), #value))
    }
}

/// A literal as the value of a field.
fn value_of(literal: &Lit) -> TokenStream {
    let derived = quote!(::haumana_sync::record::typed::derived);
    match literal {
        Lit::Str(text) => {
            quote!(::haumana_sync::record::Value::Text(::std::string::String::from(#text)))
        }
        Lit::Bool(flag) => quote!(::haumana_sync::record::Value::Flag(#flag)),
        Lit::Int(number) => quote!(#derived::integer(#number)),
        Lit::Float(number) => quote!(#derived::number(#number)),
        other => Error::new_spanned(other, "a default is a text, a flag or a number")
            .into_compile_error(),
    }
}
