/* @ts-self-types="./haumana_web.d.ts" */
export class PageReplica {
static __wrap(ptr){
const obj=Object.create(PageReplica.prototype);
obj.__wbg_ptr=ptr;
PageReplicaFinalization.register(obj,obj.__wbg_ptr,obj);
return obj;}
__destroy_into_raw(){
const ptr=this.__wbg_ptr;
this.__wbg_ptr=0;
PageReplicaFinalization.unregister(this);
return ptr;}
free(){
const ptr=this.__destroy_into_raw();
wasm.__wbg_pagereplica_free(ptr,0);}
add(kind,fields){
let ptr0,len0,ptr1,len1;
try {
ptr0=passStringToWasm0(kind,wasm.__wbindgen_export,wasm.__wbindgen_export2);
len0=WASM_VECTOR_LEN;
ptr1=passStringToWasm0(fields,wasm.__wbindgen_export,wasm.__wbindgen_export2);
len1=WASM_VECTOR_LEN;} catch (e){
if(ptr1){wasm.__wbindgen_export3(ptr1,len1 * 1,1); }
if(ptr0){wasm.__wbindgen_export3(ptr0,len0 * 1,1); }
throw e;}
const ret=wasm.pagereplica_add(this.__wbg_ptr,ptr0,len0,ptr1,len1);
return ret;}
changed(){
const ret=wasm.pagereplica_changed(this.__wbg_ptr);
return ret;}
conflicts(){
const ret=wasm.pagereplica_conflicts(this.__wbg_ptr);
return ret;}
delete(kind,id){
let ptr0,len0,ptr1,len1;
try {
ptr0=passStringToWasm0(kind,wasm.__wbindgen_export,wasm.__wbindgen_export2);
len0=WASM_VECTOR_LEN;
ptr1=passStringToWasm0(id,wasm.__wbindgen_export,wasm.__wbindgen_export2);
len1=WASM_VECTOR_LEN;} catch (e){
if(ptr1){wasm.__wbindgen_export3(ptr1,len1 * 1,1); }
if(ptr0){wasm.__wbindgen_export3(ptr0,len0 * 1,1); }
throw e;}
const ret=wasm.pagereplica_delete(this.__wbg_ptr,ptr0,len0,ptr1,len1);
return ret;}
edit(kind,id,fields){
let ptr0,len0,ptr1,len1,ptr2,len2;
try {
ptr0=passStringToWasm0(kind,wasm.__wbindgen_export,wasm.__wbindgen_export2);
len0=WASM_VECTOR_LEN;
ptr1=passStringToWasm0(id,wasm.__wbindgen_export,wasm.__wbindgen_export2);
len1=WASM_VECTOR_LEN;
ptr2=passStringToWasm0(fields,wasm.__wbindgen_export,wasm.__wbindgen_export2);
len2=WASM_VECTOR_LEN;} catch (e){
if(ptr2){wasm.__wbindgen_export3(ptr2,len2 * 1,1); }
if(ptr1){wasm.__wbindgen_export3(ptr1,len1 * 1,1); }
if(ptr0){wasm.__wbindgen_export3(ptr0,len0 * 1,1); }
throw e;}
const ret=wasm.pagereplica_edit(this.__wbg_ptr,ptr0,len0,ptr1,len1,ptr2,len2);
return ret;}
erase(){
const ret=wasm.pagereplica_erase(this.__wbg_ptr);
return ret;}
export(){
const ret=wasm.pagereplica_export(this.__wbg_ptr);
return ret;}
follow(){
const ret=wasm.pagereplica_follow(this.__wbg_ptr);
return ret;}
forget(){
const ret=wasm.pagereplica_forget(this.__wbg_ptr);
return ret;}
get(kind,id){
let ptr0,len0,ptr1,len1;
try {
ptr0=passStringToWasm0(kind,wasm.__wbindgen_export,wasm.__wbindgen_export2);
len0=WASM_VECTOR_LEN;
ptr1=passStringToWasm0(id,wasm.__wbindgen_export,wasm.__wbindgen_export2);
len1=WASM_VECTOR_LEN;} catch (e){
if(ptr1){wasm.__wbindgen_export3(ptr1,len1 * 1,1); }
if(ptr0){wasm.__wbindgen_export3(ptr0,len0 * 1,1); }
throw e;}
const ret=wasm.pagereplica_get(this.__wbg_ptr,ptr0,len0,ptr1,len1);
return ret;}
history(kind,id){
let ptr0,len0,ptr1,len1;
try {
ptr0=passStringToWasm0(kind,wasm.__wbindgen_export,wasm.__wbindgen_export2);
len0=WASM_VECTOR_LEN;
ptr1=passStringToWasm0(id,wasm.__wbindgen_export,wasm.__wbindgen_export2);
len1=WASM_VECTOR_LEN;} catch (e){
if(ptr1){wasm.__wbindgen_export3(ptr1,len1 * 1,1); }
if(ptr0){wasm.__wbindgen_export3(ptr0,len0 * 1,1); }
throw e;}
const ret=wasm.pagereplica_history(this.__wbg_ptr,ptr0,len0,ptr1,len1);
return ret;}
import(_export){
const ptr0=passStringToWasm0(_export,wasm.__wbindgen_export,wasm.__wbindgen_export2);
const len0=WASM_VECTOR_LEN;
const ret=wasm.pagereplica_import(this.__wbg_ptr,ptr0,len0);
return ret;}
list(kind){
const ptr0=passStringToWasm0(kind,wasm.__wbindgen_export,wasm.__wbindgen_export2);
const len0=WASM_VECTOR_LEN;
const ret=wasm.pagereplica_list(this.__wbg_ptr,ptr0,len0);
return ret;}
mergeText(seen,there,mine){
let deferred4_0;
let deferred4_1;
try {
const retptr=wasm.__wbindgen_add_to_stack_pointer(-16) >>>0;
let ptr0,len0,ptr1,len1,ptr2,len2;
try {
ptr0=passStringToWasm0(seen,wasm.__wbindgen_export,wasm.__wbindgen_export2);
len0=WASM_VECTOR_LEN;
ptr1=passStringToWasm0(there,wasm.__wbindgen_export,wasm.__wbindgen_export2);
len1=WASM_VECTOR_LEN;
ptr2=passStringToWasm0(mine,wasm.__wbindgen_export,wasm.__wbindgen_export2);
len2=WASM_VECTOR_LEN;} catch (e){
if(ptr2){wasm.__wbindgen_export3(ptr2,len2 * 1,1); }
if(ptr1){wasm.__wbindgen_export3(ptr1,len1 * 1,1); }
if(ptr0){wasm.__wbindgen_export3(ptr0,len0 * 1,1); }
throw e;}
wasm.pagereplica_mergeText(retptr,this.__wbg_ptr,ptr0,len0,ptr1,len1,ptr2,len2);
var r0=getDataViewMemory0().getInt32(retptr+4 * 0,true);
var r1=getDataViewMemory0().getInt32(retptr+4 * 1,true);
deferred4_0=r0;
deferred4_1=r1;
return getStringFromWasm0(r0,r1);} finally {
wasm.__wbindgen_add_to_stack_pointer(16);
wasm.__wbindgen_export3(deferred4_0,deferred4_1,1);}}
static open(host,schema){
const ptr0=passStringToWasm0(schema,wasm.__wbindgen_export,wasm.__wbindgen_export2);
const len0=WASM_VECTOR_LEN;
const ret=wasm.pagereplica_open(host,ptr0,len0);
return ret;}
resolve(conflict,kind,id,how,field,value){
let ptr0,len0,ptr1,len1,ptr2,len2,ptr3,len3,ptr4,len4,ptr5,len5;
try {
ptr0=passStringToWasm0(conflict,wasm.__wbindgen_export,wasm.__wbindgen_export2);
len0=WASM_VECTOR_LEN;
ptr1=passStringToWasm0(kind,wasm.__wbindgen_export,wasm.__wbindgen_export2);
len1=WASM_VECTOR_LEN;
ptr2=passStringToWasm0(id,wasm.__wbindgen_export,wasm.__wbindgen_export2);
len2=WASM_VECTOR_LEN;
ptr3=passStringToWasm0(how,wasm.__wbindgen_export,wasm.__wbindgen_export2);
len3=WASM_VECTOR_LEN;
ptr4=isLikeNone(field)?0:passStringToWasm0(field,wasm.__wbindgen_export,wasm.__wbindgen_export2);
len4=WASM_VECTOR_LEN;
ptr5=isLikeNone(value)?0:passStringToWasm0(value,wasm.__wbindgen_export,wasm.__wbindgen_export2);
len5=WASM_VECTOR_LEN;} catch (e){
if(ptr5){wasm.__wbindgen_export3(ptr5,len5 * 1,1); }
if(ptr4){wasm.__wbindgen_export3(ptr4,len4 * 1,1); }
if(ptr3){wasm.__wbindgen_export3(ptr3,len3 * 1,1); }
if(ptr2){wasm.__wbindgen_export3(ptr2,len2 * 1,1); }
if(ptr1){wasm.__wbindgen_export3(ptr1,len1 * 1,1); }
if(ptr0){wasm.__wbindgen_export3(ptr0,len0 * 1,1); }
throw e;}
const ret=wasm.pagereplica_resolve(this.__wbg_ptr,ptr0,len0,ptr1,len1,ptr2,len2,ptr3,len3,ptr4,len4,ptr5,len5);
return ret;}
restore(kind,id,version){
const val3=+version;
let ptr0,len0,ptr1,len1;
try {
ptr0=passStringToWasm0(kind,wasm.__wbindgen_export,wasm.__wbindgen_export2);
len0=WASM_VECTOR_LEN;
ptr1=passStringToWasm0(id,wasm.__wbindgen_export,wasm.__wbindgen_export2);
len1=WASM_VECTOR_LEN;} catch (e){
if(ptr1){wasm.__wbindgen_export3(ptr1,len1 * 1,1); }
if(ptr0){wasm.__wbindgen_export3(ptr0,len0 * 1,1); }
throw e;}
const ret=wasm.pagereplica_restore(this.__wbg_ptr,ptr0,len0,ptr1,len1,val3);
return ret;}
signIn(account){
const ptr0=passStringToWasm0(account,wasm.__wbindgen_export,wasm.__wbindgen_export2);
const len0=WASM_VECTOR_LEN;
const ret=wasm.pagereplica_signIn(this.__wbg_ptr,ptr0,len0);
return ret;}
signOut(){
const ret=wasm.pagereplica_signOut(this.__wbg_ptr);
return ret;}
statusChanged(){
const ret=wasm.pagereplica_statusChanged(this.__wbg_ptr);
return ret;}
status(){
const ret=wasm.pagereplica_status(this.__wbg_ptr);
return ret;}
sync(){
const ret=wasm.pagereplica_sync(this.__wbg_ptr);
return ret;}
unfollow(){
wasm.pagereplica_unfollow(this.__wbg_ptr);}
uploadAsNew(){
const ret=wasm.pagereplica_uploadAsNew(this.__wbg_ptr);
return ret;}}
if(Symbol.dispose) PageReplica.prototype[Symbol.dispose]=PageReplica.prototype.free;
function __wbg_get_imports(){
const import0={
__proto__:null,
__wbg_Error_208446807d0d1e30:function(arg0,arg1){
const ret=Error(getStringFromWasm0(arg0,arg1));
return ret;},
__wbg___wbindgen_debug_string_f249a2a76caa9a55:function(arg0,arg1){
const ret=debugString(arg1);
const ptr1=passStringToWasm0(ret,wasm.__wbindgen_export,wasm.__wbindgen_export2);
const len1=WASM_VECTOR_LEN;
getDataViewMemory0().setInt32((arg0 >>>0)+4 * 1,len1,true);
getDataViewMemory0().setInt32((arg0 >>>0)+4 * 0,ptr1,true);},
__wbg___wbindgen_is_function_741ff2bb612836f5:function(arg0){
const ret=typeof(arg0) ==='function';
return ret;},
__wbg___wbindgen_is_undefined_be5b34249ff1fc15:function(arg0){
const ret=arg0 ===undefined;
return ret;},
__wbg___wbindgen_number_get_934b640d0889af78:function(arg0,arg1){
const obj=arg1;
const ret=typeof(obj) ==='number'?obj:undefined;
getDataViewMemory0().setFloat64((arg0 >>>0)+8 * 1,isLikeNone(ret)?0:ret,true);
getDataViewMemory0().setInt32((arg0 >>>0)+4 * 0,!isLikeNone(ret),true);},
__wbg___wbindgen_string_get_7ce8eee7fd327545:function(arg0,arg1){
const obj=arg1;
const ret=typeof(obj) ==='string'?obj:undefined;
var ptr1=isLikeNone(ret)?0:passStringToWasm0(ret,wasm.__wbindgen_export,wasm.__wbindgen_export2);
var len1=WASM_VECTOR_LEN;
getDataViewMemory0().setInt32((arg0 >>>0)+4 * 1,len1,true);
getDataViewMemory0().setInt32((arg0 >>>0)+4 * 0,ptr1,true);},
__wbg___wbindgen_throw_4c88d8bf264fd984:function(arg0,arg1){
throw new Error(getStringFromWasm0(arg0,arg1));},
__wbg__wbg_cb_unref_09736879a3f67559:function(arg0){
arg0._wbg_cb_unref();},
__wbg_call_59e3d4a68e41152d:function(){return handleError(function (arg0,arg1,arg2,arg3,arg4,arg5,arg6,arg7,arg8,arg9){
let v0;
if(arg5 !==0){
v0=getStringFromWasm0(arg5,arg6);
wasm.__wbindgen_export3(arg5,arg6 * 1,1);}
const ret=arg0.call(getStringFromWasm0(arg1,arg2),getStringFromWasm0(arg3,arg4),v0,arg7,getStringFromWasm0(arg8,arg9));
return ret;},arguments); },
__wbg_call_a410eb4b59ed5965:function(){return handleError(function (arg0,arg1,arg2){
const ret=arg0.call(arg1,arg2);
return ret;},arguments); },
__wbg_encodeURIComponent_e0d7769acee2dcb5:function(arg0,arg1){
const ret=encodeURIComponent(getStringFromWasm0(arg0,arg1));
return ret;},
__wbg_from_eac91875c8a5ffa4:function(arg0){
const ret=Array.from(arg0);
return ret;},
__wbg_getRandomValues_7146f064ccf03262:function(arg0,arg1){
crypto.getRandomValues(getArrayU8FromWasm0(arg0,arg1));},
__wbg_get_2080c49015e35254:function(){return handleError(function (arg0,arg1){
const ret=Reflect.get(arg0,arg1);
return ret;},arguments); },
__wbg_get_d7176cfb76d71114:function(arg0,arg1){
const ret=arg0[arg1 >>>0];
return ret;},
__wbg_get_unchecked_e6325ad374eff861:function(arg0,arg1){
const ret=arg0[arg1 >>>0];
return ret;},
__wbg_length_b03a0fabb109b1e9:function(arg0){
const ret=arg0.length;
return ret;},
__wbg_load_ef55bd236b26eeb9:function(){return handleError(function (arg0){
const ret=arg0.load();
return ret;},arguments); },
__wbg_new_787b9fb330d55d78:function(arg0,arg1){
const ret=new Error(getStringFromWasm0(arg0,arg1));
return ret;},
__wbg_new_ba40181b3f24ac80:function(arg0,arg1){
try {
var state0={a:arg0,b:arg1};
var cb0=(arg0,arg1)=>{
const a=state0.a;
state0.a=0;
try {
return __wasm_bindgen_func_elem_1607(a,state0.b,arg0,arg1);} finally {
state0.a=a;}};
const ret=new Promise(cb0);
return ret;} finally {
state0.a=0;}},
__wbg_new_typed_e09da9dae6ee5935:function(arg0,arg1){
try {
var state0={a:arg0,b:arg1};
var cb0=(arg0,arg1)=>{
const a=state0.a;
state0.a=0;
try {
return __wasm_bindgen_func_elem_1607(a,state0.b,arg0,arg1);} finally {
state0.a=a;}};
const ret=new Promise(cb0);
return ret;} finally {
state0.a=0;}},
__wbg_now_463ac581d2fc7ea3:function(){
const ret=Date.now();
return ret;},
__wbg_pagereplica_new:function(arg0){
const ret=PageReplica.__wrap(arg0);
return ret;},
__wbg_queueMicrotask_1e8503a8a690f0a3:function(arg0){
const ret=arg0.queueMicrotask;
return ret;},
__wbg_queueMicrotask_4a1a4d8dd332373b:function(arg0){
queueMicrotask(arg0);},
__wbg_resolve_dbf78ab4942478b0:function(arg0){
const ret=Promise.resolve(arg0);
return ret;},
__wbg_setTimeout_94277382b91c2cee:function(arg0,arg1){
const ret=setTimeout(arg0,arg1);
return ret;},
__wbg_set_name_822e3903f3184979:function(arg0,arg1,arg2){
arg0.name=getStringFromWasm0(arg1,arg2);},
__wbg_static_accessor_GLOBAL_THIS_003ee833af9699fc:function(){
const ret=typeof globalThis ==='undefined'?undefined:globalThis;
return isLikeNone(ret)?0:addToExternrefTable0(ret);},
__wbg_static_accessor_GLOBAL_e4293fb22cbe77da:function(){
const ret=typeof global ==='undefined'?undefined:global;
return isLikeNone(ret)?0:addToExternrefTable0(ret);},
__wbg_static_accessor_SELF_53bb20457401453d:function(){
const ret=typeof self ==='undefined'?undefined:self;
return isLikeNone(ret)?0:addToExternrefTable0(ret);},
__wbg_static_accessor_WINDOW_b5e0810bfecb7feb:function(){
const ret=typeof window ==='undefined'?undefined:window;
return isLikeNone(ret)?0:addToExternrefTable0(ret);},
__wbg_then_656f253a5dd7d8ea:function(arg0,arg1,arg2){
const ret=arg0.then(arg1,arg2);
return ret;},
__wbg_then_e3f7f2d365708be8:function(arg0,arg1){
const ret=arg0.then(arg1);
return ret;},
__wbg_write_107edeb542eab526:function(){return handleError(function (arg0,arg1,arg2){
const ret=arg0.write(getStringFromWasm0(arg1,arg2));
return ret;},arguments); },
__wbindgen_generic_0000000000000001:function(arg0,arg1){
const ret=makeMutClosure(arg0,arg1,__wasm_bindgen_func_elem_1592);
return ret;},
__wbindgen_generic_0000000000000002:function(arg0,arg1){
const ret=getStringFromWasm0(arg0,arg1);
return ret;},
__wbindgen_init_externref_table:function(){
const table=wasm.__wbindgen_externrefs;
table.set(0,undefined);
table.set(1024,undefined);
table.set(1025,null);
table.set(1026,true);
table.set(1027,false);},};
return {
__proto__:null,
"./haumana_web_bg.js":import0,};}
function __wasm_bindgen_func_elem_1607(arg0,arg1,arg2,arg3){
wasm.__wasm_bindgen_func_elem_1607(arg0,arg1,arg2,arg3);}
function __wasm_bindgen_func_elem_1592(arg0,arg1,arg2){
try {
const retptr=wasm.__wbindgen_add_to_stack_pointer(-16) >>>0;
wasm.__wasm_bindgen_func_elem_1592(retptr,arg0,arg1,arg2);
var r0=getDataViewMemory0().getInt32(retptr+4 * 0,true);
var r1=getDataViewMemory0().getInt32(retptr+4 * 1,true);
if(r1){
throw takeFromExternrefTable0(r0);}} finally {
wasm.__wbindgen_add_to_stack_pointer(16);}}
const PageReplicaFinalization=(typeof FinalizationRegistry ==='undefined')
?{register:()=>{},unregister:()=>{} }
:new FinalizationRegistry(ptr=>wasm.__wbg_pagereplica_free(ptr,1));
function addToExternrefTable0(obj){
const idx=wasm.__wbindgen_export5();
wasm.__wbindgen_externrefs.set(idx,obj);
return idx;}
const CLOSURE_DTORS=(typeof FinalizationRegistry ==='undefined')
?{register:()=>{},unregister:()=>{} }
:new FinalizationRegistry(state=>wasm.__wbindgen_export6(state.a,state.b));
function debugString(val){
switch (typeof val){
case 'number':
case 'boolean':
case 'undefined':
return `${val}`;
case 'string':
return JSON.stringify(val);
case 'bigint':
return `${val}n`;
case 'symbol':
return val.description !==undefined
?`Symbol(${val.description})`
:'Symbol';
case 'function':
return typeof val.name ==='string'&&val.name !==''
?`Function(${val.name})`
:'Function';
case 'object':{
if(val ===null){
return 'null';}
if(Array.isArray(val)){
return '['+Array.from(val,debugString).join(',')+']';}
if(val instanceof Error){
return `${val.name}:${val.message}\n${val.stack}`;}
const toStringOutput=toString.call(val);
const className=/\[object ([^\]]+)\]/.exec(toStringOutput)?.[1];
if(className ===undefined){
return toStringOutput;}
if(className ==='Object'){
try {
return 'Object('+JSON.stringify(val)+')';} catch (_){
return 'Object';}}
return className;}}}
function getArrayU8FromWasm0(ptr,len){
ptr=ptr >>>0;
return getUint8ArrayMemory0().subarray(ptr / 1,ptr / 1+len);}
let cachedDataViewMemory0=null;
function getDataViewMemory0(){
if(cachedDataViewMemory0 ===null||cachedDataViewMemory0.buffer.detached ===true||(cachedDataViewMemory0.buffer.detached ===undefined&&cachedDataViewMemory0.buffer !==wasm.memory.buffer)){
cachedDataViewMemory0=new DataView(wasm.memory.buffer);}
return cachedDataViewMemory0;}
function getStringFromWasm0(ptr,len){
ptr=ptr >>>0;
return decodeText(getUint8ArrayMemory0().subarray(ptr,ptr+len));}
let cachedUint8ArrayMemory0=null;
function getUint8ArrayMemory0(){
if(cachedUint8ArrayMemory0 ===null||cachedUint8ArrayMemory0.byteLength ===0){
cachedUint8ArrayMemory0=new Uint8Array(wasm.memory.buffer);}
return cachedUint8ArrayMemory0;}
function handleError(f,args){
try {
return f.apply(this,args);} catch (e){
const idx=addToExternrefTable0(e);
wasm.__wbindgen_export4(idx);}}
function isLikeNone(x){
return x ===undefined||x ===null;}
function makeMutClosure(arg0,arg1,f){
const state={a:arg0,b:arg1,cnt:1 };
const real=(...args)=>{
state.cnt++;
const a=state.a;
state.a=0;
try {
return f(a,state.b,...args);} finally {
state.a=a;
real._wbg_cb_unref();}};
real._wbg_cb_unref=()=>{
if(--state.cnt ===0){
wasm.__wbindgen_export6(state.a,state.b);
state.a=0;
CLOSURE_DTORS.unregister(state);}};
CLOSURE_DTORS.register(real,state,state);
return real;}
function passStringToWasm0(arg,malloc,realloc){
if(realloc ===undefined){
const buf=cachedTextEncoder.encode(arg);
const ptr=malloc(buf.length,1) >>>0;
getUint8ArrayMemory0().subarray(ptr,ptr+buf.length).set(buf);
WASM_VECTOR_LEN=buf.length;
return ptr;}
let len=arg.length;
let ptr=malloc(len,1) >>>0;
const mem=getUint8ArrayMemory0();
let offset=0;
for (; offset<len; offset++){
const code=arg.charCodeAt(offset);
if(code>0x7F) break;
mem[ptr+offset]=code;}
if(offset !==len){
if(offset !==0){
arg=arg.slice(offset);}
ptr=realloc(ptr,len,len=offset+arg.length * 3,1) >>>0;
const view=getUint8ArrayMemory0().subarray(ptr+offset,ptr+len);
const ret=cachedTextEncoder.encodeInto(arg,view);
offset +=ret.written;
ptr=realloc(ptr,len,offset,1) >>>0;}
WASM_VECTOR_LEN=offset;
return ptr;}
function takeFromExternrefTable0(idx){
const value=wasm.__wbindgen_externrefs.get(idx);
wasm.__wbindgen_export7(idx);
return value;}
let cachedTextDecoder=new TextDecoder('utf-8',{ignoreBOM:true });
cachedTextDecoder.decode();
const MAX_SAFARI_DECODE_BYTES=2146435072;
let numBytesDecoded=0;
function decodeText(bytes){
numBytesDecoded +=bytes.length;
if(numBytesDecoded >=MAX_SAFARI_DECODE_BYTES){
cachedTextDecoder=new TextDecoder('utf-8',{ignoreBOM:true });
cachedTextDecoder.decode();
numBytesDecoded=bytes.length;}
return cachedTextDecoder.decode(bytes);}
const cachedTextEncoder=new TextEncoder();
if(!('encodeInto' in cachedTextEncoder)){
cachedTextEncoder.encodeInto=function (arg,view){
const buf=cachedTextEncoder.encode(arg);
view.set(buf);
return {
read:arg.length,
written:buf.length};};}
let WASM_VECTOR_LEN=0;
let wasmModule,wasmInstance,wasm;
function __wbg_finalize_init(instance,module){
wasmInstance=instance;
wasm=instance.exports;
wasmModule=module;
cachedDataViewMemory0=null;
cachedUint8ArrayMemory0=null;
wasm.__wbindgen_start();
return wasm;}
async function __wbg_load(module,imports){
if(typeof Response ==='function'&&module instanceof Response){
if(!module.ok){
throw new Error(`failed to fetch Wasm:${module.status} ${module.statusText} fetching '${module.url}'`);}
if(typeof WebAssembly.instantiateStreaming ==='function'){
try {
return await WebAssembly.instantiateStreaming(module,imports);} catch (e){
const validResponse=expectedResponseType(module.type);
if(validResponse&&module.headers.get('Content-Type') !=='application/wasm'){
console.warn("`WebAssembly.instantiateStreaming` failed because your server does not serve Wasm with `application/wasm` MIME type. Falling back to `WebAssembly.instantiate` which is slower. Original error:\n",e);} else{throw e; }}}
const bytes=await module.arrayBuffer();
return await WebAssembly.instantiate(bytes,imports);} else {
const instance=await WebAssembly.instantiate(module,imports);
if(instance instanceof WebAssembly.Instance){
return{instance,module };} else {
return instance;}}
function expectedResponseType(type){
switch (type){
case 'basic':case 'cors':case 'default':return true;}
return false;}}
function initSync(module){
if(wasm !==undefined) return wasm;
if(module !==undefined){
if(Object.getPrototypeOf(module) ===Object.prototype){
({module}=module)} else {
console.warn('using deprecated parameters for `initSync()`; pass a single object instead')}}
const imports=__wbg_get_imports();
if(!(module instanceof WebAssembly.Module)){
module=new WebAssembly.Module(module);}
const instance=new WebAssembly.Instance(module,imports);
return __wbg_finalize_init(instance,module);}
let __wbg_init_promise;
async function __wbg_init(module_or_path){
if(wasm !==undefined) return wasm;
if(__wbg_init_promise ===undefined){
__wbg_init_promise=__wbg_init_once(module_or_path);
__wbg_init_promise.catch(()=>{__wbg_init_promise=undefined; });}
return __wbg_init_promise;}
async function __wbg_init_once(module_or_path){
if(module_or_path !==undefined){
if(Object.getPrototypeOf(module_or_path) ===Object.prototype){
({module_or_path}=module_or_path)} else {
console.warn('using deprecated parameters for the initialization function; pass a single object instead')}}
const imports=__wbg_get_imports();
if(typeof module_or_path ==='string'||(typeof Request ==='function'&&module_or_path instanceof Request)||(typeof URL ==='function'&&module_or_path instanceof URL)){
module_or_path=fetch(module_or_path);}
const{instance,module }=await __wbg_load(await module_or_path,imports);
return __wbg_finalize_init(instance,module);}
export{initSync,__wbg_init as default };
