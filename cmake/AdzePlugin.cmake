# adze_plugin(NAME SOURCES file... [LIT folder]): a plug-in NAME.so.
#
# It links nothing of Adze: the functions of libadze.so are found when it is loaded. Only its descriptor is exported.
# With LIT, ctest runs lit over the folder, where `plugin` is a parameter; without lit there is no such test.
function(adze_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LIT" "SOURCES")
  if(NOT arg_SOURCES OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "adze_plugin(${name}): expected SOURCES and files, got '${ARGN}'")
  endif()
  add_library(${name} MODULE ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE Adze::adze_headers)
  set_target_properties(${name} PROPERTIES PREFIX "" SUFFIX .so
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_link_options(${name} PRIVATE -Wl,-z,undefs)
  if(arg_LIT)
    adze_plugin_lit(${name} ${arg_LIT})
  endif()
endfunction()

function(adze_plugin_lit name folder)
  find_program(ADZE_LIT lit)
  if(NOT ADZE_LIT)
    message(STATUS "${name}: lit is not there, so ctest has no tests of it")
    return()
  endif()
  cmake_path(ABSOLUTE_PATH folder)
  add_test(NAME ${name}.lit COMMAND ${ADZE_LIT} -v -Dplugin=$<TARGET_FILE:${name}> ${folder})
  set_tests_properties(${name}.lit PROPERTIES ENVIRONMENT_MODIFICATION "PATH=path_list_prepend:${Adze_BIN_DIR}")
endfunction()
