/* Forgets what casts.inc reads. */
#undef C_
#undef CAST
#undef TO
#undef TO_BOOL
#undef SPLAT
#undef PICK
#undef BITS_F32
#undef FLOAT_F32
#undef CAST_EACH_INT
#undef CAST_INTS
#undef QNAME
#undef QUANTIZE_16
#pragma pop_macro("bool")
