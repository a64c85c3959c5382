# adze_plugin(NAME SOURCES file... [EMBED file...] [LIT folder]): a plug-in NAME.so.
#
# It links nothing of Adze: the functions of libadze.so are found when it is loaded. Only its descriptor is exported.
# EMBED names the files that sources take in with ADZE_EMBED (<adze/embed.h>). With LIT, ctest runs lit over the folder,
# where %plugin is NAME.so; without lit there is no such test.
function(adze_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LIT" "SOURCES;EMBED")
  if(NOT arg_SOURCES OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "adze_plugin(${name}): expected SOURCES and files, got '${ARGN}'")
  endif()
  add_library(${name} MODULE ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE Adze::adze_headers)
  set_target_properties(${name} PROPERTIES PREFIX "" SUFFIX .so
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_link_options(${name} PRIVATE -Wl,-z,undefs)
  foreach(file IN LISTS arg_EMBED)
    cmake_path(ABSOLUTE_PATH file)
    cmake_path(GET file PARENT_PATH folder)
    target_include_directories(${name} PRIVATE ${folder})
    set_property(SOURCE ${arg_SOURCES} APPEND PROPERTY OBJECT_DEPENDS ${file})
  endforeach()
  if(arg_LIT)
    adze_plugin_lit($<TARGET_FILE:${name}> ${arg_LIT})
  endif()
endfunction()

# adze_plugin_lit(FILE folder): the same tests for a plug-in that was built in another way.
function(adze_plugin_lit file folder)
  find_program(ADZE_LIT lit)
  if(NOT ADZE_LIT)
    message(STATUS "lit is not there, so ctest does not run the tests in ${folder}")
    return()
  endif()
  cmake_path(ABSOLUTE_PATH folder)
  add_test(NAME lit COMMAND ${ADZE_LIT} -v -Dplugin=${file} ${folder})
  set_tests_properties(lit PROPERTIES ENVIRONMENT_MODIFICATION "PATH=path_list_prepend:${Adze_BIN_DIR}")
endfunction()
