# Everything here is a Debian 12 package; scripts/install-deps names them.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS program_options)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(SQLite3 REQUIRED)
pkg_check_modules(NICE REQUIRED IMPORTED_TARGET nice glib-2.0 gobject-2.0)
pkg_check_modules(NGTCP2 REQUIRED IMPORTED_TARGET libngtcp2 libngtcp2_crypto_gnutls)
pkg_check_modules(GNUTLS REQUIRED IMPORTED_TARGET gnutls)

# Asio and Beast compiled once instead of in every file that uses them.
add_library(p2pd_asio STATIC cmake/asio.cpp)
target_link_libraries(p2pd_asio PUBLIC Boost::headers Threads::Threads)
target_compile_definitions(p2pd_asio PUBLIC BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED)
add_library(p2pd_asio_ssl STATIC cmake/asio_ssl.cpp)
target_link_libraries(p2pd_asio_ssl PUBLIC p2pd_asio OpenSSL::SSL OpenSSL::Crypto)
target_compile_definitions(p2pd_asio_ssl PUBLIC BOOST_BEAST_SEPARATE_COMPILATION)
