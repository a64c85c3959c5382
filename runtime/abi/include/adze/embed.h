/* A file's bytes in an object file, as they lie on disk: rules, code, tables (gcc and clang, ELF).
 *
 * The assembler looks for the file in the current folder and in those of -I; adze_plugin(... EMBED file) of the CMake
 * package arranges that.
 */
#ifndef ADZE_EMBED_H
#define ADZE_EMBED_H

#ifdef __cplusplus
#define ADZE_EMBED_EXTERN extern "C"
#else
#define ADZE_EMBED_EXTERN extern
#endif

/* Declares `const char name[]`, the bytes of `file`, 64-byte aligned, and `name_end`, which points behind them to a
 * zero byte. Both are seen in the whole library or program that the object becomes part of, not outside of it. */
#define ADZE_EMBED(name, file)                                                                                        \
    __asm__(".pushsection .rodata\n.balign 64\n"                                                                      \
            ".globl " #name ", " #name "_end\n.hidden " #name ", " #name "_end\n"                                     \
            #name ":\n.incbin \"" file "\"\n" #name "_end:\n.byte 0\n.popsection\n");                                 \
    ADZE_EMBED_EXTERN const char name[], name##_end[]

#endif
