# C sources as LLVM bitcode inside a library: one module per source file.
#
#   adze_bitcode(TARGET adze_x86 NAME eval SOURCES a.c b.c [FLAGS ...] [INCLUDES dir...])
#
# compiles each source with clang 22 and embeds the modules in TARGET as the table
#   const adze_bitcode adze_bitcode_eval[]; const size_t adze_bitcode_eval_count;
# declared in backends/x86/bitcode.h. The .bc files stay in <build>/bitcode/NAME/ for looking.

if(ADZE_X86)
  find_program(ADZE_CLANG NAMES clang clang-22 PATHS ${ADZE_LLVM_ROOT}/bin NO_DEFAULT_PATH)
  if(NOT ADZE_CLANG)
    message(FATAL_ERROR "clang 22 not found in ${ADZE_LLVM_ROOT}/bin: install clang-22 "
      "(tools/setup does), set ADZE_LLVM_ROOT, or build without the x86 backend (-DADZE_X86=OFF)")
  endif()
endif()

function(adze_bitcode)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "TARGET;NAME" "SOURCES;FLAGS;INCLUDES")
  set(dir ${PROJECT_BINARY_DIR}/bitcode/${arg_NAME})
  file(MAKE_DIRECTORY ${dir})
  list(TRANSFORM arg_INCLUDES PREPEND -I)
  set(modules)
  set(externs)
  set(rows)
  set(blobs)
  foreach(source IN LISTS arg_SOURCES)
    cmake_path(ABSOLUTE_PATH source NORMALIZE)
    cmake_path(GET source STEM stem)
    set(bc ${dir}/${stem}.bc)
    add_custom_command(OUTPUT ${bc}
      COMMAND ${ADZE_CLANG} -std=c17 -c -emit-llvm -Wall -Wextra -Werror ${arg_FLAGS} ${arg_INCLUDES}
        -fdebug-prefix-map=${PROJECT_SOURCE_DIR}=. -Xclang -main-file-name -Xclang ${stem}.c
        -MD -MF ${bc}.d -MT ${bc} ${source} -o ${bc}
      DEPENDS ${source} DEPFILE ${bc}.d
      COMMENT "Bitcode ${arg_NAME}/${stem}.bc" VERBATIM COMMAND_EXPAND_LISTS)
    list(APPEND modules ${bc})
    string(MAKE_C_IDENTIFIER "${arg_NAME}_${stem}" id)
    string(APPEND blobs "BLOB(${id}, \"${bc}\")\n")
    string(APPEND rows "    {\"${stem}\", ${id}_start, ${id}_end},\n")
  endforeach()
  list(LENGTH arg_SOURCES count)
  if(count EQUAL 0)
    set(rows "    {0, 0, 0}, /* no modules */\n")
  endif()
  set(ADZE_BITCODE_NAME ${arg_NAME})
  set(ADZE_BITCODE_BLOBS "${blobs}")
  set(ADZE_BITCODE_ROWS "${rows}")
  set(ADZE_BITCODE_COUNT ${count})
  set(table ${PROJECT_BINARY_DIR}/bitcode/${arg_NAME}.c)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/bitcode.c.in ${table} @ONLY)
  # The caller may stand in a folder below the target's, which does not see the rules made here.
  set_source_files_properties(${table} TARGET_DIRECTORY ${arg_TARGET}
    PROPERTIES OBJECT_DEPENDS "${modules}")
  add_custom_target(bitcode_${arg_NAME} DEPENDS ${modules})
  add_dependencies(${arg_TARGET} bitcode_${arg_NAME})
  target_sources(${arg_TARGET} PRIVATE ${table})
endfunction()
