set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

option(P2PD_TESTS "Build the tests" ON)
# Off where another build runs them: then what is left is what the sanitizer builds leave out.
option(P2PD_COMMON_TESTS "The unit tests, those of whole programs, and the examples" ON)
option(P2PD_BENCH "Build the benchmarks" OFF)
option(P2PD_FUZZ "Build the libFuzzer targets and nothing else (clang only)" OFF)
option(P2PD_WERROR "Treat warnings as errors" ON)
set(P2PD_SANITIZE "" CACHE STRING "Sanitizers for everything built here: address, thread or nothing")

add_library(p2pd_flags INTERFACE)
target_include_directories(p2pd_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(p2pd_flags INTERFACE
  -Wall -Wextra -Wpedantic $<$<BOOL:${P2PD_WERROR}>:-Werror> -Wshadow -Wconversion -Wdelete-non-virtual-dtor -Woverloaded-virtual
  -fno-omit-frame-pointer)
target_compile_definitions(p2pd_flags INTERFACE P2PD_VERSION="${PROJECT_VERSION}")

# What GCC 12 finds by following values through inlined standard library code (members of a variant inside an optional,
# a string moved into another, a coroutine frame's allocation) is wrong too often; the clang builds of `make check` keep their own such warnings.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(p2pd_flags INTERFACE -Wno-maybe-uninitialized -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread
    -Wno-mismatched-new-delete)
endif()

# Programs for tests are large, and there are many: these linkers, where they are, take a quarter or half of the time.
if(CMAKE_BUILD_TYPE STREQUAL "Debug" AND CMAKE_SYSTEM_NAME STREQUAL "Linux")
  include(CheckLinkerFlag)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    set(quick_linker -fuse-ld=lld)
  else()
    set(quick_linker -fuse-ld=gold)
  endif()
  check_linker_flag(CXX ${quick_linker} P2PD_QUICK_LINKER)
  if(P2PD_QUICK_LINKER)
    add_link_options(${quick_linker})
  endif()
endif()

# Sanitizers apply to every target, ours and the Asio archive alike, or reports would be wrong.
if(P2PD_SANITIZE STREQUAL "address")
  # Not vptr: it looks at memory through a pipe of its own, and so reports nonsense in tests that use up all descriptors.
  add_compile_options(-fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
elseif(P2PD_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
  add_link_options(-fsanitize=thread)
elseif(NOT P2PD_SANITIZE STREQUAL "")
  message(FATAL_ERROR "P2PD_SANITIZE is '${P2PD_SANITIZE}'; use address, thread or nothing")
endif()

if(P2PD_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "P2PD_FUZZ needs clang: -DCMAKE_CXX_COMPILER=clang++-16")
  endif()
  if(NOT P2PD_SANITIZE STREQUAL "")
    message(FATAL_ERROR "P2PD_FUZZ brings its own sanitizers; leave P2PD_SANITIZE empty")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
  add_link_options(-fsanitize=address,undefined)
endif()
