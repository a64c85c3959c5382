# What every target of the tree shares: language, warnings, visibility, output folders, RPATH.

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release, Debug" FORCE)
endif()
# Asserts stay on in the compiler: a broken invariant must stop a compile, not spoil an artifact.
# The runtime never aborts, so runtime/ adds -DNDEBUG itself.
set(CMAKE_C_FLAGS_RELEASE "-O2" CACHE STRING "" FORCE)

if(NOT CMAKE_C_COMPILER_LAUNCHER)
  find_program(ADZE_CCACHE ccache)
  if(ADZE_CCACHE)
    set(CMAKE_C_COMPILER_LAUNCHER ${ADZE_CCACHE})
  endif()
endif()

# The build tree has the shape of the install tree, so what looks for its neighbours
# ($libdir/adze/*.so, libadze_runtime.a) finds them in both.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/${CMAKE_INSTALL_BINDIR})
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/${CMAKE_INSTALL_LIBDIR})
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/${CMAKE_INSTALL_LIBDIR})
set(ADZE_BACKEND_DIR ${CMAKE_INSTALL_LIBDIR}/adze)
set(CMAKE_BUILD_RPATH_USE_ORIGIN ON)
file(RELATIVE_PATH adze_bin_to_lib /${CMAKE_INSTALL_BINDIR} /${CMAKE_INSTALL_LIBDIR})
file(RELATIVE_PATH adze_bin_to_data /${CMAKE_INSTALL_BINDIR} /${CMAKE_INSTALL_DATADIR}/adze)
file(RELATIVE_PATH adze_bin_to_include /${CMAKE_INSTALL_BINDIR} /${CMAKE_INSTALL_INCLUDEDIR})

# Warnings, include roots and sanitizers; link it PRIVATE to everything.
# Sources of the tree may include each other's private headers as "ir/ir_private.h".
add_library(adze_build INTERFACE)
target_compile_options(adze_build INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion -Wvla
  -Werror)
target_compile_definitions(adze_build INTERFACE _GNU_SOURCE)
target_include_directories(adze_build INTERFACE ${PROJECT_SOURCE_DIR})
if(ADZE_SANITIZE)
  target_compile_options(adze_build INTERFACE
    -fsanitize=${ADZE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer
    # gcc warns about conversions that its own instrumentation wrote.
    "$<$<C_COMPILER_ID:GNU>:-Wno-conversion;-Wno-sign-conversion;-Wno-error=maybe-uninitialized>")
  target_link_options(adze_build INTERFACE -fsanitize=${ADZE_SANITIZE})
else()
  target_link_options(adze_build INTERFACE -Wl,--no-undefined)
endif()

if(ADZE_COVERAGE) # of sources by clang, for llvm-cov
  target_compile_options(adze_build INTERFACE -fprofile-instr-generate -fcoverage-mapping)
  target_link_options(adze_build INTERFACE -fprofile-instr-generate)
endif()

# adze_sources(target file...): adds sources, listed one per line. A target whose list is still
# empty gets one generated file that declares nothing, since CMake refuses targets without sources.
function(adze_sources target)
  if(ARGN)
    target_sources(${target} PRIVATE ${ARGN})
  else()
    set(empty ${CMAKE_CURRENT_BINARY_DIR}/${target}_empty.c)
    if(NOT EXISTS ${empty})
      file(WRITE ${empty} "typedef int adze_no_sources;\n")
    endif()
    target_sources(${target} PRIVATE ${empty})
  endif()
endfunction()

# adze_object_library(name): a part of libadze.so. Its sources are added by adze_sources.
function(adze_object_library name)
  add_library(${name} OBJECT)
  target_compile_options(${name} PRIVATE -g) # types, for the check of the binary interface; strip drops them
  target_link_libraries(${name} PRIVATE adze_build adze_headers)
  set_property(GLOBAL APPEND PROPERTY ADZE_OBJECTS ${name})
endfunction()

# adze_data(folder file...): files that the program reads, at share/adze/<folder>, in the build tree and installed.
# A file keeps its path below the current folder.
function(adze_data folder)
  set(data ${CMAKE_INSTALL_DATADIR}/adze/${folder})
  foreach(file IN LISTS ARGN)
    configure_file(${CMAKE_CURRENT_SOURCE_DIR}/${file} ${PROJECT_BINARY_DIR}/${data}/${file} COPYONLY)
    cmake_path(GET file PARENT_PATH below)
    install(FILES ${file} DESTINATION ${data}/${below})
  endforeach()
endfunction()

# adze_public_headers(folder): its headers, in the build tree's include folder, as links, and installed.
function(adze_public_headers folder)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR}/${folder}
    ${folder}/*.h ${folder}/*.def)
  foreach(header IN LISTS headers)
    set(link ${PROJECT_BINARY_DIR}/${CMAKE_INSTALL_INCLUDEDIR}/${header})
    cmake_path(GET link PARENT_PATH parent)
    file(MAKE_DIRECTORY ${parent})
    file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/${header} ${link} SYMBOLIC)
  endforeach()
  install(DIRECTORY ${folder}/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    FILES_MATCHING PATTERN "*.h" PATTERN "*.def")
endfunction()
