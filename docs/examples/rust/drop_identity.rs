//! drop-identity: `identity(x)` is x. A pass in Rust, without crates: the C structs that it needs, written out.
//!
//! Structs of the interface only ever grow at their end, and `struct_size` says how much of one there is; so it is
//! enough to write them down as far as they are used.
#![allow(non_upper_case_globals)]

use std::ffi::CStr;
use std::mem::size_of;
use std::os::raw::{c_char, c_void};
use std::ptr::null;

/// Handles are opaque: pointers that only Adze's functions look into.
type Handle = *mut c_void;

const UNCHANGED: u32 = 1; // enum adze_outcome
const CHANGED: u32 = 2;

#[repr(C)]
pub struct Pass {
    struct_size: u32,
    numerics: u32, // enum adze_numerics; 0 = exact
    name: *const c_char,
    help: *const c_char,
    options: *const c_void,
    n_options: u32,
    options_size: u32,
    run: Option<extern "C" fn(func: Handle, options: *const c_void, run: Handle) -> u32>,
    run_module: Option<extern "C" fn(module: Handle, options: *const c_void, run: Handle) -> u32>,
}

#[repr(C)]
pub struct Plugin {
    magic: u64,
    abi: u32,
    struct_size: u32,
    name: *const c_char,
    version: *const c_char,
    passes: *const *const Pass,
    ops: *const c_void,
    rules: *const c_void,
    backends: *const c_void,
}

/// Constant data may be seen by all threads, pointers in it or not.
#[repr(transparent)]
pub struct Shared<T>(T);
unsafe impl<T> Sync for Shared<T> {}

extern "C" {
    fn adze_func_body(func: Handle) -> Handle;
    fn adze_region_first(region: Handle) -> Handle;
    fn adze_op_next(op: Handle) -> Handle;
    fn adze_op_name(op: Handle) -> *const c_char;
    fn adze_op_operand(op: Handle, index: u32) -> Handle;
    fn adze_op_result(op: Handle, index: u32) -> Handle;
    fn adze_op_erase(op: Handle);
    fn adze_value_replace_uses(value: Handle, with: Handle);
}

/// The ops of a region, first to last; each may be erased when it has been given out.
fn ops(region: Handle) -> impl Iterator<Item = Handle> {
    let mut next = unsafe { adze_region_first(region) };
    std::iter::from_fn(move || {
        let op = next;
        if op.is_null() {
            return None;
        }
        next = unsafe { adze_op_next(op) };
        Some(op)
    })
}

extern "C" fn run(func: Handle, _options: *const c_void, _run: Handle) -> u32 {
    let mut outcome = UNCHANGED;
    unsafe {
        for op in ops(adze_func_body(func)) {
            if CStr::from_ptr(adze_op_name(op)).to_bytes() != b"identity" {
                continue;
            }
            adze_value_replace_uses(adze_op_result(op, 0), adze_op_operand(op, 0));
            adze_op_erase(op);
            outcome = CHANGED;
        }
    }
    outcome
}

static PASS: Shared<Pass> = Shared(Pass {
    struct_size: size_of::<Pass>() as u32,
    numerics: 0,
    name: b"drop-identity\0".as_ptr() as *const c_char,
    help: b"identity(x) is x\0".as_ptr() as *const c_char,
    options: null(),
    n_options: 0,
    options_size: 0,
    run: Some(run),
    run_module: None,
});

static PASSES: Shared<[*const Pass; 2]> = Shared([&PASS.0, null()]);

#[no_mangle]
pub static adze_plugin_descriptor: Shared<Plugin> = Shared(Plugin {
    magic: 0x0031474c505a4441, // "ADZPLG1\0"
    abi: 1,
    struct_size: size_of::<Plugin>() as u32,
    name: b"drop-identity\0".as_ptr() as *const c_char,
    version: b"1\0".as_ptr() as *const c_char,
    passes: &PASSES.0 as *const *const Pass,
    ops: null(),
    rules: null(),
    backends: null(),
});
