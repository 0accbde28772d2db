# Headers that cost a second and more in every file; precompiled once a target. Sources include what they use all the same.
set(P2PD_STANDARD_HEADERS <array> <chrono> <cstdint> <functional> <map> <memory> <optional> <span> <string> <string_view>
    <unordered_map> <utility> <variant> <vector> <fmt/format.h>)
set(P2PD_ASIO_HEADERS <boost/asio/as_tuple.hpp> <boost/asio/awaitable.hpp> <boost/asio/co_spawn.hpp>
    <boost/asio/io_context.hpp> <boost/asio/post.hpp> <boost/asio/steady_timer.hpp> <boost/asio/use_awaitable.hpp>)
set(P2PD_JSON_HEADERS <nlohmann/json.hpp>)

# p2pd_library(NAME LINK ... PRIVATE_LINK ... PRECOMPILE ...): the static library of one folder, every *.cpp in it but
# main.cpp.
# Linux-only files are called *_linux.cpp and have a *_other.cpp beside them.
function(p2pd_library name)
  cmake_parse_arguments(ARG "" "" "LINK;PRIVATE_LINK;PRECOMPILE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${name}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    list(FILTER sources EXCLUDE REGEX "_other\\.cpp$")
  else()
    list(FILTER sources EXCLUDE REGEX "_linux\\.cpp$")
  endif()
  # A private dependency that this platform lacks (libsystemd outside Linux) is left out.
  set(private_link "")
  foreach(library IN LISTS ARG_PRIVATE_LINK)
    if(TARGET ${library})
      list(APPEND private_link ${library})
    endif()
  endforeach()
  add_library(p2pd_${name} STATIC ${sources})
  target_link_libraries(p2pd_${name} PUBLIC ${ARG_LINK} PRIVATE p2pd_flags ${private_link})
  add_library(p2pd::${name} ALIAS p2pd_${name})
  if(ARG_PRECOMPILE)
    target_precompile_headers(p2pd_${name} PRIVATE ${P2PD_STANDARD_HEADERS} ${ARG_PRECOMPILE})
  endif()
endfunction()

# p2pd_program(NAME SOURCE main.cpp LINK ...)
function(p2pd_program name)
  cmake_parse_arguments(ARG "" "SOURCE" "LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCE})
  target_link_libraries(${name} PRIVATE p2pd_flags ${ARG_LINK})
endfunction()
